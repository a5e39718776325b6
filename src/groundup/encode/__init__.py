"""Turn documents into token shards."""
