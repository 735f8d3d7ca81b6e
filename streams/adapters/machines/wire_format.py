"""Message classes from our .proto file, without generated code: protobuf's runtime takes descriptors as well.

Generated code is tied to the version of its generator; a hundred lines of descriptor are not (decision 0090).
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from schemas import UsageError

PROTO: Final = Path(__file__).with_name("sparkplug_b.proto")

_FIELD: Final = re.compile(r"^\s*(optional|repeated) (\w+) (\w+) = (\d+);$")
_MESSAGE: Final = re.compile(r"^message (\w+) \{$")


@cache
def messages() -> dict[str, Any]:
    """Name -> message class of the .proto file.

    Raises:
        UsageError: protobuf is not installed.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("Sparkplug needs protobuf: pip install 'foresite[mqtt]'") from None
    file = descriptor_pb2.FileDescriptorProto(
        name="foresite/sparkplug_b.proto", package="foresite.sparkplug_b", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for line in PROTO.read_text(encoding="utf-8").splitlines():
        if begun := _MESSAGE.match(line):
            file.message_type.add(name=begun[1])
        elif field := _FIELD.match(line):
            label, kind, name, number = field.groups()
            made = file.message_type[-1].field.add(
                name=name, number=int(number), label=kinds.Label.Value(f"LABEL_{label.upper()}")
            )
            if kind[0].isupper():
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".{file.package}.{kind}"
            else:
                made.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        each.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{each.name}"))
        for each in file.message_type
    }
