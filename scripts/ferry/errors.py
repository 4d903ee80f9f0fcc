"""What may go wrong, by what is to be done about it."""


class FerryError(Exception):
    """Base of every error of this package: says what was done, what was expected and what was found."""


class TransientError(FerryError):
    """May pass by itself: worth trying again after a pause."""


class PermanentError(FerryError):
    """Will be the same next time: never retried, somebody has to change something."""


class IntegrityError(PermanentError):
    """Bytes are not what they were declared to be; the message names both values."""


class MetadataError(PermanentError):
    """A record, or a field of it, is not what it must be; the message names the path inside the record."""


class ConfigError(PermanentError):
    """The configuration, the master list or the surroundings are not as they must be; nothing was started."""
