"""A small polite fetcher: lists of addresses and sitemaps in, archives of pages out."""
