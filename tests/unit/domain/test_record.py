"""Records beside dataclasses with the same fields: nobody is to see a difference."""

import copy
import dataclasses
import inspect
import pickle
import sys
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.record import field, record, replace

_REQUIRED = object()


@record
class Point:
    """A frozen record."""

    x: int
    y: int = 0
    label: str = field(default="", compare=False, repr=False)
    tags: list[str] = field(default_factory=list)
    origin: ClassVar[str] = "here"

    @property
    def total(self) -> int:
        return self.x + self.y


@record(frozen=False)
class Box:
    """A record that may change."""

    width: int
    lid: Any = None


@record
class Point3(Point):
    """A record that adds to another."""

    z: int = 7
    y: int = 5


@record(kw_only=True)
class Named:
    """A record whose fields go by name."""

    first: int = 1
    second: int


@record(frozen=False)
class Squared:
    """A record that prepares itself."""

    side: int
    area: int = 0

    def __post_init__(self) -> None:
        self.area = self.side * self.side


@record
class Lone:
    """A record of one field."""

    only: Any


@record
class Bare:
    """A record of none."""


class Plain(Point):
    """No record, but made of one."""


@st.composite
def pairs(draw):
    """Draw a record class and a dataclass with the same fields."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "self", "cls", "_d"]), unique=True, max_size=5))
    frozen, by_name = draw(st.booleans()), draw(st.booleans())
    defaults = [draw(st.sampled_from([_REQUIRED, 0, "text", None, list])) for _ in names]
    if not by_name:  # those without a default come first
        defaults.sort(key=lambda each: each is not _REQUIRED)
    options = [{"repr": draw(st.booleans()), "compare": draw(st.booleans())} for _ in names]

    def build(decorate, describe):
        body = {"__annotations__": dict.fromkeys(names, "Any"), "__qualname__": "Made.Here", "__module__": __name__}
        for name, default, option in zip(names, defaults, options, strict=True):
            given = (
                {} if default is _REQUIRED else {"default_factory": list} if default is list else {"default": default}
            )
            body[name] = describe(**given, **option)
        return decorate(type("Here", (), body))

    return (
        build(record(frozen=frozen, kw_only=by_name), field),
        build(dataclasses.dataclass(frozen=frozen, kw_only=by_name, slots=True), dataclasses.field),
    )


_VALUES = st.one_of(st.integers(0, 2), st.sampled_from(["x", None, 1.0]), st.tuples(st.integers(0, 1)))
_ARGUMENTS = st.tuples(
    st.lists(_VALUES, max_size=6), st.dictionaries(st.sampled_from(["a", "b", "c", "self", "cls", "_d", "e"]), _VALUES)
)


def _outcome(call, *args, **named):
    try:
        return call(*args, **named)
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


@given(pairs(), _ARGUMENTS, _ARGUMENTS)
def test_a_record_does_what_a_dataclass_does(both, first, second):
    outcomes = []
    for cls in both:
        one, two = (_outcome(cls, *args, **named) for args, named in (first, second))
        seen = [repr(one), repr(two), one == two, one != two, _outcome(hash, one)]
        if isinstance(one, cls):
            names = [each.name for each in dataclasses.fields(one)]
            seen += [
                [getattr(one, name) for name in names],
                repr(_outcome(dataclasses.replace, one, **second[1])),
                repr(_outcome(replace if cls is both[0] else dataclasses.replace, one, **second[1])),
                dataclasses.asdict(one),
                dataclasses.astuple(one),
                copy.copy(one) == one,
                copy.deepcopy(one) == one,
                [_outcome(setattr, one, name, 1) for name in names],
                [_outcome(delattr, one, name) for name in names],
                hasattr(one, "__dict__"),
            ]
        outcomes.append(seen)

    assert outcomes[0] == outcomes[1]


@given(pairs())
def test_the_standard_library_is_told_the_same_of_both(both):
    ours, theirs = both

    assert [repr(each) for each in dataclasses.fields(ours)] == [repr(each) for each in dataclasses.fields(theirs)]
    assert repr(ours.__dataclass_params__) == repr(theirs.__dataclass_params__)
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__slots__ == tuple(each.name for each in dataclasses.fields(theirs))
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
    assert str(inspect.signature(ours.__init__)) == str(inspect.signature(theirs.__init__))
    assert dataclasses.is_dataclass(ours)


@pytest.mark.parametrize("made", [Point(1, tags=["a"]), Box(1), Point3(1, z=3), Named(second=2), Lone(()), Bare()])
def test_copies_and_pickles(made):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(made, protocol)) == made
    assert copy.deepcopy(made) == copy.copy(made) == made
    assert replace(made) == made
    assert replace(made) is not made


def test_replace_of_the_copy_module():
    made = replace(Point(1, 2, "a"), x=3)

    assert (made.x, made.y, made.label) == (3, 2, "a")
    assert Point(1).__replace__(x=4) == Point(4)
    if sys.version_info >= (3, 13):
        assert copy.replace(Point(1), x=4) == Point(4)


def test_a_field_may_have_any_name():
    @record
    class Odd:
        instance: int
        changes: int = 0

    assert replace(Odd(1), instance=2, changes=3) == Odd(2, 3)


def test_fields_come_in_the_order_of_declaration_those_of_the_base_first():
    assert repr(Point3(1)) == "Point3(x=1, y=5, tags=[], z=7)"
    assert Point3(1, 2, "l", [], 9).z == 9
    assert Point3(1, 5) != Point(1, 5)
    assert Point3.__slots__ == ("z",)


def test_a_record_has_the_methods_of_its_class():
    assert Point(1, 2).total == 3
    assert Point.origin == "here"
    assert Squared(3) == Squared(3, 9)
    assert replace(Squared(3), side=4).area == 16


def test_defaults_are_made_anew():
    assert Point(1).tags is not Point(1).tags


def test_what_is_given_is_not_made():
    assert Point(1, tags=["a"]).tags == ["a"]


@pytest.mark.parametrize(
    ("args", "named", "complaint"),
    [
        ((), {}, "missing 1 required positional argument: 'x'"),
        ((1, 2, "", [], 5), {}, "takes from 2 to 5 positional arguments but 6 were given"),
        ((1,), {"x": 2}, "got multiple values for argument 'x'"),
        ((1,), {"x": 2, "y": 1, "label": "", "tags": []}, "got multiple values for argument 'x'"),
        ((1,), {"other": 2}, "got an unexpected keyword argument 'other'"),
        ((), {"other": 2, "y": 1, "label": "", "tags": []}, "got an unexpected keyword argument 'other'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_as_by_a_function(args, named, complaint):
    with pytest.raises(TypeError) as caught:
        Point(*args, **named)

    assert str(caught.value) == f"Point.__init__() {complaint}"


def test_a_frozen_record_can_not_be_changed():
    point = Point(1)
    for change in (lambda: setattr(point, "x", 2), lambda: delattr(point, "x"), lambda: setattr(point, "other", 2)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert point == Point(1)


def test_what_is_made_of_a_frozen_record_may_have_more():
    plain = Plain(1)
    plain.other = 2
    del plain.other

    assert plain == Plain(1)
    assert plain != Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain.x = 2


def test_a_record_that_may_change_has_no_hash():
    box = Box(1)
    box.width = 2

    assert box == Box(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(box)
    with pytest.raises(AttributeError):
        box.other = 1


def test_a_record_in_itself_can_be_shown():
    box = Box(1)
    box.lid = box

    assert repr(box) == "Box(width=1, lid=...)"


def test_match_takes_records_apart():
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_methods_written_in_the_class_are_kept():
    @record
    class Own:
        x: int

        def __eq__(self, other):
            return True

        def __repr__(self):
            return "own"

    assert Own(1) == Own(2)
    assert repr(Own(1)) == "own"
    assert hash(Own(1)) == hash((1,))


def test_a_dataclass_can_be_made_of_a_record():
    @dataclasses.dataclass(frozen=True)
    class More(Point):
        more: int = 0

    assert More(1, more=2).more == 2
    assert [each.name for each in dataclasses.fields(More)] == ["x", "y", "label", "tags", "more"]


def test_mistakes_in_a_class_are_said():
    with pytest.raises(ValueError, match="default_factory"):

        @record
        class Mutable:
            x: list = []  # noqa: RUF012

    with pytest.raises(ValueError, match="both"):
        field(default=1, default_factory=list)
    with pytest.raises(TypeError, match="inherit"):

        @record(frozen=False)
        class Thawed(Point):
            pass


def test_to_define_a_record_compiles_nothing():
    events = []

    def note(event, args):
        if watching and event in ("compile", "exec"):
            events.append((event, args))

    watching = True
    sys.addaudithook(note)
    try:

        @record
        class Cheap:
            x: int = 1

        Cheap(2)
    finally:
        watching = False  # a hook can't be removed

    assert events == []
