"""Records: classes that hold named values, as the standard library's dataclasses do, and cost next to nothing to define.

A dataclass writes source text for each class and compiles it, at every start of the program; a record shares its methods
with all others. To other people's code it is a dataclass: `dataclasses.fields`, `replace`, `asdict` and `is_dataclass` take
it, and so do `copy`, `pickle` and `match`.

Not offered: `InitVar`, `KW_ONLY`, `init=False`, ordering, and `super()` without arguments in a method of a record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
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
    """What the methods of a record class need to know of it; most of it is made when it is first asked for.

    `own` are the fields that the class declares itself, with what it gives them (or MISSING); `by_name` says of each field,
    inherited ones first, whether it goes by name only.
    """

    cls: Any  # once it is there

    def __init__(
        self, own: dict[str, Any], annotations: Mapping[str, Any], bases: list[Definition], frozen: bool, kw_only: bool
    ) -> None:
        self.own = own
        self.annotations = annotations
        self.bases = bases
        self.frozen = frozen
        self.by_name = dict.fromkeys(own, kw_only)
        for base in reversed(bases):
            self.by_name = base.by_name | self.by_name

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All fields, inherited ones first."""
        fields: dict[str, Field] = {}
        for base in self.bases:
            fields |= base.fields
        for name, given in self.own.items():
            each = given if isinstance(given, Field) else Field(given, None, True, True)
            each.annotation, each.kw_only = self.annotations[name], self.by_name[name]
            fields[name] = each
        return fields

    @cached_property
    def setters(self) -> dict[str, Callable[[Any, Any], None]]:
        """What fills the slot of each field, past the ban of a frozen class on assignments."""
        return {name: getattr(self.cls, name).__set__ for name in self.by_name}

    @cached_property
    def values(self) -> Callable[[Any], tuple[Any, ...]]:
        """What takes the values of all fields from an instance."""
        return _getter(list(self.fields))

    @cached_property
    def compared(self) -> Callable[[Any], tuple[Any, ...]]:
        """What takes the values that are compared and hashed."""
        return _getter([name for name, each in self.fields.items() if each.compare])

    @cached_property
    def twin(self) -> Any:
        """The dataclass with the same fields."""
        from neuralterm.domain.twins import twin_of

        return twin_of(self)

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
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    annotations = decorated.__annotations__
    own = {name: namespace.pop(name, MISSING) for name, each in annotations.items() if not _is_of_class(each)}
    _refuse_mutable(own)
    definition = Definition(own, annotations, _definitions_of_bases(decorated, frozen), frozen, kw_only)
    taken = {slot for base in decorated.__mro__[1:-1] for slot in base.__dict__.get("__slots__", ())}
    positional = tuple([name for name, by_name in definition.by_name.items() if not by_name])
    if namespace.get("__hash__") is None:
        namespace["__hash__"] = _hash if frozen else None
    namespace = {
        **(_FROZEN if frozen else _SHARED),
        "__match_args__": positional,
        "__init__": _initialiser(definition, positional, hasattr(decorated, "__post_init__")),
        **namespace,
        "__record__": definition,
        "__slots__": tuple([name for name in own if name not in taken]),
        "__qualname__": decorated.__qualname__,
    }
    definition.cls = type(decorated)(decorated.__name__, decorated.__bases__, namespace)
    return definition.cls  # type: ignore[no-any-return]


def _is_of_class(annotation: Any) -> bool:
    text = annotation if type(annotation) is str else repr(annotation)
    return text.startswith(("ClassVar", "typing.ClassVar"))


def _refuse_mutable(own: Mapping[str, Any]) -> None:
    for name, default in own.items():
        if default.__class__.__hash__ is None:
            raise ValueError(f"mutable default {type(default)} for field {name} is not allowed: use default_factory")


def _definitions_of_bases(cls: type, frozen: bool) -> list[Definition]:
    """Return those of the records among the base classes, the furthest first."""
    found = [base.__dict__["__record__"] for base in cls.__mro__[-2:0:-1] if "__record__" in base.__dict__]
    if any(definition.frozen is not frozen for definition in found):
        raise TypeError("cannot inherit a frozen record from one that is not, nor the other way round")
    return found


def _initialiser(definition: Definition, positional: tuple[str, ...], prepares: bool) -> Callable[..., None]:
    """Return the `__init__` of a record class. What it needs to know it asks for when the first instance is made."""
    setters: dict[str, Callable[[Any, Any], None]] = {}
    defaults: dict[str, Any] = {}
    factories: list[tuple[str, Callable[[], Any]]] = []
    count, most = len(definition.by_name), len(positional)

    def learn() -> None:
        for name, each in definition.fields.items():
            if each.default is not MISSING:
                defaults[name] = each.default
            elif each.factory is not None:
                factories.append((name, each.factory))
        setters.update(definition.setters)

    def __init__(self: Any, /, *args: Any, **named: Any) -> None:  # noqa: N807  (it becomes the method of that name)
        if not setters:
            learn()
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
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name, each in self.__record__.fields.items() if each.repr)
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
