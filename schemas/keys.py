"""Keys and ids made of parts, so that distinct things stay distinct whatever their names contain."""


def join_key(*parts: str) -> str:
    """Join parts with "/"; a "/" or "%" inside a part is percent-escaped, so no two lists give one key."""
    return "/".join(
        part.replace("%", "%25").replace("/", "%2F") if "/" in part or "%" in part else part for part in parts
    )


def split_key(key: str) -> list[str]:
    """The parts that join_key was given."""
    return [part.replace("%2F", "/").replace("%25", "%") for part in key.split("/")]
