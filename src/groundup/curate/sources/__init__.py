"""Where text comes from, by the kind of source."""

from groundup.curate.config import SourceKind
from groundup.curate.sources.base import Source
from groundup.curate.sources.files import Files
from groundup.curate.sources.hub import Hub
from groundup.curate.sources.installed_docs import InstalledDocs
from groundup.curate.sources.installed_licences import InstalledLicences

SOURCES: dict[SourceKind, type[Source]] = {
    "installed-docs": InstalledDocs,
    "installed-licences": InstalledLicences,
    "files": Files,
    "hf": Hub,
}
