"""Records: classes that hold named values, as the standard library's dataclasses do, and cost next to nothing to define.

A dataclass writes source text for each class and compiles it, at every start of the program; a record shares its methods
with all others. To other people's code it is a dataclass: `dataclasses.fields`, `replace`, `asdict` and `is_dataclass` take
it, and so do `copy`, `pickle` and `match`.

Not offered: `InitVar`, `KW_ONLY`, `init=False`, ordering, and `super()` without arguments in a method of a record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")

MISSING: Any = object()


class Field:
    """How a field is to be filled, compared and shown."""

    __slots__ = ("annotation", "compare", "default", "factory", "kw_only", "repr")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, repr: bool, compare: bool) -> None:
        self.default = default
        self.factory = factory
        self.repr = repr
        self.compare = compare
        self.kw_only = False
        self.annotation: Any = None


def field(
    *,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    """Describe a field of a record: its default or what makes one, whether it is shown, and compared (and hashed)."""
    if default is not MISSING and default_factory is not None:
        raise ValueError("cannot specify both default and default_factory")
    return Field(default, default_factory, repr, compare)


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, frozen: bool = True, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, frozen: bool = True, kw_only: bool = False) -> Any:
    """Make a class a record with slots: frozen and hashable unless told otherwise; `kw_only` fields go by name only."""
    if cls is not None:
        return _define(cls, frozen, kw_only)
    return lambda decorated: _define(decorated, frozen, kw_only)


def replace(instance: T, /, **changes: Any) -> T:
    """Return a copy of a record with some fields changed."""
    definition: Definition = instance.__record__  # type: ignore[attr-defined]
    kept = zip(definition.setters, definition.values(instance), strict=True)
    return instance.__class__(**{**dict(kept), **changes})


class Definition:
    """What the methods of a record class need to know of it.

    `values` and `compared` take the values of all, and of the compared, fields from an instance. `setters` fill the slot of
    a field, past the ban of a frozen class on assignments.
    """

    __slots__ = ("_twin", "cls", "compared", "fields", "frozen", "setters", "shown", "values")

    def __init__(self, fields: dict[str, Field], frozen: bool) -> None:
        self.fields = fields
        self.frozen = frozen
        self.values = _getter(list(fields))
        self.compared = _getter([name for name, each in fields.items() if each.compare])
        self.shown = [name for name, each in fields.items() if each.repr]
        self.setters: dict[str, Callable[[Any, Any], None]] = {}
        self.cls: Any = None
        self._twin: Any = None

    def complete(self, cls: type) -> None:
        """Take what there is only once the class is there."""
        self.cls = cls
        for name in self.fields:
            self.setters[name] = getattr(cls, name).__set__

    @property
    def twin(self) -> Any:
        """The dataclass with the same fields; made when it is asked for."""
        if self._twin is None:
            from neuralterm.domain.twins import twin_of

            self._twin = twin_of(self)
        return self._twin

    @property
    def __signature__(self) -> Any:
        """What `inspect.signature`, and with it `help`, says of `__init__`, which these are the `__wrapped__` of."""
        from inspect import signature

        return signature(self.twin.__init__)


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that takes the values of these attributes, as a tuple also of one or none."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple([getattr(instance, name) for name in names])


def _define(decorated: type, frozen: bool, kw_only: bool) -> type:
    """Return the class anew, with slots and the methods of a record.

    All is in the class when it is made: to set a special method of a class later costs as much as to make the class.
    """
    namespace = dict(decorated.__dict__)
    own = _own_fields(decorated, namespace, kw_only)
    for name in (*own, "__dict__", "__weakref__"):
        namespace.pop(name, None)
    taken = {slot for base in decorated.__mro__[1:] for slot in base.__dict__.get("__slots__", ())}
    definition = Definition(_inherited(decorated, frozen) | own, frozen)
    positional = [name for name, each in definition.fields.items() if not each.kw_only]
    if namespace.get("__hash__") is None:
        namespace["__hash__"] = _hash if frozen else None
    namespace = {
        **(_FROZEN if frozen else _SHARED),
        "__match_args__": tuple(positional),
        "__init__": _initialiser(definition, positional, hasattr(decorated, "__post_init__")),
        **namespace,
        "__record__": definition,
        "__slots__": tuple([name for name in own if name not in taken]),
        "__qualname__": decorated.__qualname__,
    }
    cls = type(decorated)(decorated.__name__, decorated.__bases__, namespace)
    definition.complete(cls)
    return cls


def _inherited(cls: type, frozen: bool) -> dict[str, Field]:
    """Return the fields of the records among the base classes."""
    fields: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:]):
        definition = base.__dict__.get("__record__")
        if definition is None:
            continue
        if definition.frozen is not frozen:
            raise TypeError("cannot inherit a frozen record from one that is not, nor the other way round")
        fields |= definition.fields
    return fields


def _own_fields(cls: type, namespace: Mapping[str, Any], kw_only: bool) -> dict[str, Field]:
    """Return the fields that a class declares itself: all its annotations but `ClassVar`."""
    fields: dict[str, Field] = {}
    for name, annotation in cls.__annotations__.items():
        text = annotation if isinstance(annotation, str) else repr(annotation)
        if text.startswith(("ClassVar", "typing.ClassVar")):
            continue
        default = namespace.get(name, MISSING)
        each = default if isinstance(default, Field) else Field(default, None, True, True)
        if each.default.__class__.__hash__ is None:
            raise ValueError(
                f"mutable default {type(each.default)} for field {name} is not allowed: use default_factory"
            )
        each.annotation = annotation
        each.kw_only = kw_only
        fields[name] = each
    return fields


def _initialiser(definition: Definition, positional: list[str], prepares: bool) -> Callable[..., None]:
    """Return the `__init__` of a record class; its setters are not there yet."""
    fields, setters = definition.fields, definition.setters
    defaults = {name: each.default for name, each in fields.items() if each.default is not MISSING}
    factories = [(name, each.factory) for name, each in fields.items() if each.factory is not None]
    count, most = len(fields), len(positional)

    def __init__(self: Any, /, *args: Any, **named: Any) -> None:  # noqa: N807  (it becomes the method of that name)
        if len(args) == count == most and not named:
            for fill, value in zip(setters.values(), args, strict=True):
                fill(self, value)
        else:
            given = {**dict(zip(positional, args, strict=False)), **named} if args else named
            if len(args) > most or len(given) < len(args) + len(named):
                raise _refusal(definition, args, named)
            if len(given) < count:
                given = {**defaults, **given}
                for name, make in factories:
                    if name not in given:
                        given[name] = make()
            if len(given) != count:
                raise _refusal(definition, args, named)
            try:
                for name, value in given.items():
                    setters[name](self, value)
            except KeyError:
                raise _refusal(definition, args, named) from None
        if prepares:
            self.__post_init__()

    __init__.__wrapped__ = definition  # type: ignore[attr-defined]
    return __init__


def _refusal(definition: Definition, args: tuple[Any, ...], named: dict[str, Any]) -> TypeError:
    """Return Python's own complaint about arguments that do not fit the fields."""
    try:
        definition.twin(*args, **named)
    except TypeError as complaint:
        return complaint.with_traceback(None)
    raise AssertionError("these arguments fit")


class _Standard:
    """An attribute of a dataclass, made when it is asked for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: Any) -> Any:
        return getattr(owner.__record__.twin, self.name)


def _eq(self: Any, other: object) -> Any:
    values = self.__record__.compared
    return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self.__record__.compared(self))


@recursive_repr("...")
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__record__.shown)
    return f"{self.__class__.__qualname__}({shown})"


def _setattr(self: Any, name: str, value: object) -> None:
    definition = self.__record__
    if type(self) is definition.cls or name in definition.setters:
        raise _frozen(f"cannot assign to field {name!r}")
    super(definition.cls, self).__setattr__(name, value)


def _delattr(self: Any, name: str) -> None:
    definition = self.__record__
    if type(self) is definition.cls or name in definition.setters:
        raise _frozen(f"cannot delete field {name!r}")
    super(definition.cls, self).__delattr__(name)


def _frozen(complaint: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(complaint)


def _getstate(self: Any) -> list[Any]:
    return list(self.__record__.values(self))


def _setstate(self: Any, state: list[Any]) -> None:
    for fill, value in zip(self.__record__.setters.values(), state, strict=True):
        fill(self, value)


_SHARED: dict[str, Any] = {
    "__eq__": _eq,
    "__repr__": _repr,
    "__replace__": replace,
    "__dataclass_fields__": _Standard("__dataclass_fields__"),
    "__dataclass_params__": _Standard("__dataclass_params__"),
}
_FROZEN: dict[str, Any] = {
    **_SHARED,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    # It can't be filled by assignments when it is copied or unpickled.
    "__getstate__": _getstate,
    "__setstate__": _setstate,
}
