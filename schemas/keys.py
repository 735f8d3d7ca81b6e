"""Keys and ids made of parts, so that distinct things stay distinct whatever their names contain."""


def join_key(*parts: str) -> str:
    """Join parts with "/"; a "/" or "%" inside a part is percent-escaped, so no two lists give one key."""
    joined = "/".join(parts)
    if "%" not in joined and joined.count("/") == len(parts) - 1:
        return joined  # nothing to escape, as nearly always
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def split_key(key: str) -> list[str]:
    """The parts that join_key was given."""
    parts = key.split("/")
    return [part.replace("%2F", "/").replace("%25", "%") for part in parts] if "%" in key else parts
