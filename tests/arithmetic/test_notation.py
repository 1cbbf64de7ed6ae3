import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.network_oracle import Case, networks
from support.oracles import MODES, PADDING_NAMES, pairs

from convcli.arithmetic.layers import OPERATIONS, Layer
from convcli.arithmetic.notation import format_layer, format_network, parse_layer, parse_network
from convcli.arithmetic.operations import Key, as_name
from convcli.arithmetic.operations.resizing import ROUNDINGS
from convcli.arithmetic.values import (
    format_padding,
    format_shape,
    format_size,
    parse_number,
    parse_padding,
    parse_shape,
    parse_size,
)
from convcli.arithmetic.zoo import ZOO, zoo_network
from convcli.errors import NotationError

# ---- random layers -----------------------------------------------------------------------------

sizes = pairs(1, 12)
paddings = st.one_of(st.sampled_from(PADDING_NAMES), st.tuples(pairs(0, 5), pairs(0, 5)))
names = st.from_regex(r"[A-Za-z0-9_/][A-Za-z0-9_.\-/:]{0,6}", fullmatch=True).filter(
    lambda name: name != "input"
)
shapes = st.lists(st.integers(1, 99), min_size=1, max_size=4).map(tuple)
specs = st.sampled_from(["sharpen", "gaussian:1.5", "motion:9:45", "@kernels/a=b.txt", "x.npy"])
several = st.lists(st.one_of(names, st.just("input")), min_size=2, max_size=4).map(tuple)
one_or_none = st.one_of(st.just(()), st.tuples(st.one_of(names, st.just("input"))))

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "k": sizes,
    "s": sizes,
    "p": paddings,
    "d": sizes,
    "g": st.one_of(st.none(), st.just("depthwise"), st.integers(1, 512)),
    "op": pairs(0, 3),
    "c": st.one_of(st.none(), st.integers(1, 4096)),
    "mode": st.sampled_from(MODES),
    "name": st.one_of(st.none(), names),
    "from": one_or_none,
}
types = st.from_regex(r"[A-Za-z0-9_.:\-]{1,8}", fullmatch=True)
channel_ranges = st.tuples(st.integers(0, 9), st.integers(10, 99) | st.none())
margins: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict, margin=st.tuples(pairs(0, 9), pairs(0, 9))
)
scales = st.tuples(st.integers(1, 99), st.integers(1, 99)).map(
    lambda pair: (pair[0] // math.gcd(*pair), pair[1] // math.gcd(*pair))
)
resamplings: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(dict, nearest=st.sampled_from(ROUNDINGS)),
    st.builds(dict, interpolation=st.just("bilinear")),
    st.builds(
        dict, interpolation=st.just("bicubic"), cubic=st.floats(-2, 2), is_inside=st.booleans()
    ),
)
OWN: dict[str, st.SearchStrategy[dict[str, Any]]] = {  # what only some operations have
    "linear": st.builds(dict, channels=st.integers(1, 4096)),
    "adaptiveavgpool": st.builds(dict, size=sizes),
    "crop": st.one_of(margins, st.builds(dict, like=names)),
    "pad": margins,
    "slice": st.builds(dict, channel_range=channel_ranges, step=st.integers(1, 3)),
    "channelshuffle": st.builds(dict, groups=st.integers(1, 512)),
    "pixelshuffle": st.builds(dict, block=st.integers(1, 8)),
    "pixelunshuffle": st.builds(dict, block=st.integers(1, 8)),
    "reshape": st.builds(
        dict, shape=st.tuples(st.integers(1, 99)) | st.tuples(*[st.integers(1, 99)] * 3)
    ),
    "upsample": st.builds(
        lambda scales, others: {"scales": scales, **others}, st.tuples(scales, scales), resamplings
    ),
    "resize": st.builds(lambda size, others: {"size": size, **others}, sizes, resamplings),
    "sub": st.builds(dict, sources=st.tuples(names, names)),
    "div": st.builds(dict, sources=st.tuples(names, names)),
    "input": st.builds(dict, sources=st.just(()), name=names, shape=shapes),
    "opaque": st.builds(dict, type=types, out=shapes, params=st.integers(0, 99)),
}


VALUES: dict[str, st.SearchStrategy[Any]] = {  # of other keys, by how they are written
    "N|HxW": sizes,
    "N": st.integers(1, 4096),
    "LO:HI": st.tuples(st.floats(-9, 0), st.floats(0, allow_nan=False)).map(
        lambda pair: (pair[0] + 0.0, pair[1] + 0.0)  # no -0
    ),
}
reals = st.floats(-9, 9).map(lambda number: number + 0.0)


def values_of(key: Key) -> st.SearchStrategy[Any]:
    """Any value of a key: words that are written as they stand, and real numbers of any name."""
    own = st.sampled_from(key.value.split("|")) if key.value.islower() else reals
    return VALUES.get(key.value, own).filter(lambda value: can_read(key, value))


def can_read(key: Key, value: Any) -> bool:
    try:
        key.read(key.write(value))
    except NotationError:
        return False
    return True


def values_of_all(keys: Iterable[Key]) -> st.SearchStrategy[dict[str, Any]]:
    """Any values of keys, or what they are where left out, if they can be."""
    return st.fixed_dictionaries(
        {
            key.field: values_of(key)
            if key.initial is None
            else st.one_of(st.just(key.initial), values_of(key))
            for key in keys
        }
    )


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """Any layer that the notation can say, of any operation."""
    op = draw(st.sampled_from(sorted(OPERATIONS)))
    operation = OPERATIONS[op]
    keys = operation.keys
    fields = {keys[key].field: draw(FIELDS[key]) for key in keys if key in FIELDS}
    fields.pop("interpolation", None)  # which is no padding mode
    for flag in operation.flags:
        fields[flag.field] = flag.field != "is_inside" and draw(st.booleans())
    if "kernel" in operation.keys and draw(st.booleans()):
        fields |= {"kernel": None, "spec": draw(specs)}
    if op == "tconv":
        below = [max(pair) for pair in zip(fields["stride"], fields["dilation"], strict=True)]
        extra = fields["output_padding"]
        fields["output_padding"] = tuple(
            min(number, most - 1) for number, most in zip(extra, below, strict=True)
        )
    if operation.is_join:
        fields["sources"] = draw(several)
    known = {*FIELDS, "kernel"}
    more = [key for key in (operation.argument, *keys.values()) if key and key.name not in known]
    return Layer(op=op).with_values(**fields | draw(OWN.get(op, values_of_all(more))))


@given(layers())
def test_what_is_written_reads_back_as_the_same_layer(layer: Layer) -> None:
    assert parse_layer(format_layer(layer)) == layer


@given(layers())
def test_writing_says_nothing_twice_and_nothing_that_goes_without_saying(layer: Layer) -> None:
    text = format_layer(layer)
    items = text.partition(":")[2].split(",") if ":" in text else []
    keys = [item.partition("=")[0] for item in items]
    assert len(set(keys)) == len(keys)
    for dropped in range(1, len(items)):
        fewer = items[:dropped] + items[dropped + 1 :]
        try:
            without = parse_layer(f"{layer.op}:{','.join(fewer)}")
        except NotationError:
            continue
        assert without != layer


@pytest.mark.parametrize("op", sorted(OPERATIONS))
def test_every_operation_can_be_written(op: str) -> None:
    written = {"k": ":3", "c": ":10", "size": ":7", "margin": ":2", "slope": ":0.2"}
    written |= {"shape": ":2x3x4", "channels": ":1..3", "g": ":4", "block": ":2", "scale": ":2"}
    written |= {"alpha": ":0.2", "bounds": ":-1:inf", "groups": ":4", "neighbors": ":5"}
    argument = OPERATIONS[op].argument
    own = "" if argument is None else written.get(argument.name, "")
    text = f"{op}:from=a+b" if OPERATIONS[op].is_join else op + own
    text = OPERATIONS[op].example if op in ("input", "opaque") else text
    assert format_layer(parse_layer(text)) == text


@given(st.text(max_size=20))
def test_any_text_gives_a_name_and_a_name_gives_itself(text: str) -> None:
    layer = Layer("relu", name=as_name(text))
    assert parse_layer(format_layer(layer)) == layer
    assert as_name(as_name(text)) == as_name(text)


@given(names)
def test_a_name_that_the_notation_holds_stays_as_it_is(name: str) -> None:
    assert as_name(name) == name


# ---- what the notation means -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        (
            "conv:3,s=2,p=1,c=64",
            Layer(op="conv", kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), channels=64),
        ),
        ("conv:3x5,d=2,g=8", Layer(op="conv", kernel=(3, 5), dilation=(2, 2), groups=8)),
        ("conv:3,g=depthwise", Layer(op="conv", kernel=(3, 3), groups="depthwise")),
        ("conv:kernel=gaussian:1.5", Layer(op="conv", spec="gaussian:1.5", padding="same")),
        (
            "conv:kernel=blur,p=0,mode=reflect",
            Layer(op="conv", spec="blur", mode="reflect"),
        ),
        (
            "tconv:4,s=2,p=1,op=0,c=8",
            Layer(op="tconv", kernel=(4, 4), stride=(2, 2), padding=((1, 1), (1, 1)), channels=8),
        ),
        ("maxpool:2", Layer(op="maxpool", kernel=(2, 2), stride=(2, 2))),
        ("maxpool:2x3", Layer(op="maxpool", kernel=(2, 3), stride=(2, 3))),
        ("maxpool:2,s=1", Layer(op="maxpool", kernel=(2, 2))),
        (
            "avgpool:3,s=2,p=1,ceil,nopad",
            Layer(
                op="avgpool",
                kernel=(3, 3),
                stride=(2, 2),
                padding=((1, 1), (1, 1)),
                ceil=True,
                count_padding=False,
            ),
        ),
        ("adaptiveavgpool:7", Layer(op="adaptiveavgpool", size=(7, 7))),
        ("linear:1000,nobias", Layer(op="linear", channels=1000, bias=False)),
        ("crop:2", Layer(op="crop", margin=((2, 2), (2, 2)))),
        ("crop:like=a", Layer(op="crop", like="a")),
        ("crop:0.1.2.3", Layer(op="crop", margin=((0, 1), (2, 3)))),
        ("pad:1x2,mode=edge", Layer(op="pad", margin=((1, 1), (2, 2)), mode="replicate")),
        ("pad:1,mode=constant:7", Layer(op="pad", margin=((1, 1), (1, 1)), mode="constant:7")),
        ("slice:..16", Layer(op="slice").with_values(channel_range=(0, 16))),
        ("slice:16..,step=2", Layer(op="slice").with_values(channel_range=(16, None), step=2)),
        ("reshape:84", Layer(op="reshape").with_values(shape=(84,))),
        ("channelshuffle:3", Layer(op="channelshuffle", groups=3)),
        ("pixelshuffle:2,dcr", Layer(op="pixelshuffle").with_values(block=2, dcr=True)),
        ("upsample:2", Layer(op="upsample").with_values(scales=((2, 1), (2, 1)))),
        ("upsample:1.50x6/4", Layer(op="upsample").with_values(scales=((3, 2), (3, 2)))),
        (
            "resize:7x9,mode=bilinear,coords=align-corners",
            Layer(op="resize", size=(7, 9)).with_values(
                interpolation="bilinear", coordinates="align-corners"
            ),
        ),
        ("sub:from=a+input", Layer(op="sub", sources=("a", "input"))),
        ("add:from=a+b", Layer(op="add", sources=("a", "b"))),
        ("concat:from=a+input,name=c", Layer(op="concat", sources=("a", "input"), name="c")),
        ("relu:name=r,from=input", Layer(op="relu", name="r", sources=("input",))),
        ("relu:name=1st,from=/a/Conv", Layer(op="relu", name="1st", sources=("/a/Conv",))),
        ("add:from=12+a/b:0", Layer(op="add", sources=("12", "a/b:0"))),
        ("conv:s=2,k=3", Layer(op="conv", kernel=(3, 3), stride=(2, 2))),
        (" conv: 3 , s=2 ", Layer(op="conv", kernel=(3, 3), stride=(2, 2))),
        ("conv:3,p=same-lower", Layer(op="conv", kernel=(3, 3), padding="same-lower")),
        ("conv:3,p=0.1.2.3", Layer(op="conv", kernel=(3, 3), padding=((0, 1), (2, 3)))),
    ],
)
def test_a_notation_means_its_layer(text: str, layer: Layer) -> None:
    assert parse_layer(text) == layer


def test_the_size_of_a_real_kernel_is_not_written() -> None:
    layer = parse_layer("conv:kernel=blur")
    assert format_layer(layer._replace(kernel=(3, 3))) == "conv:kernel=blur"


@given(pairs(0, 10**6))
def test_sizes_read_back(size: tuple[int, int]) -> None:
    assert parse_size(format_size(size), least=0) == size


@given(paddings)
def test_paddings_read_back(padding: Any) -> None:
    assert parse_padding(format_padding(padding)) == padding


def test_equal_sides_are_written_short() -> None:
    assert format_size((3, 3)) == "3"
    assert format_padding(((1, 1), (1, 1))) == "1"
    assert format_padding(((1, 1), (2, 2))) == "1x2"
    assert format_padding(((1, 1), (2, 3))) == "1.1.2.3"


# ---- refusals: the item at fault, and what may stand there -------------------------------------


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("cnov:3", ["unknown operation 'cnov'; did you mean 'conv'? `convcli layers` lists them"]),
        ("conv2:3", ["unknown operation 'conv2'; did you mean 'conv'? `convcli layers` lists"]),
        ("", ["unknown operation ''; `convcli layers` lists them"]),
        ("xyzzy", ["unknown operation 'xyzzy'; `convcli layers` lists them"]),
        ("conv", ["conv needs a window size", "conv:3"]),
        ("conv:s=2", ["conv needs a window size"]),
        ("conv:", ["k must be N or HxW", "''"]),
        ("conv:3x", ["k must be N or HxW", "'3x'"]),
        ("conv:3x3x3", ["k must be N or HxW", "'3x3x3'"]),
        ("conv:0", ["k must be at least 1, not 0"]),
        ("conv:-1", ["k must be N or HxW", "'-1'"]),
        ("conv:3.5", ["k must be N or HxW", "'3.5'"]),
        ("conv:٣", ["k must be N or HxW"]),
        ("conv:3,s=0", ["s must be at least 1, not 0"]),
        ("conv:3,s=two", ["s must be N or HxW (like 3 or 3x5)", "'two'"]),
        ("conv:3,d=1x0", ["d must be at least 1, not 0"]),
        ("conv:3,p=some", ["p must be N, HxW, T.B.L.R or one of valid, same", "'some'"]),
        ("conv:3,p=1.2.3", ["p must be", "'1.2.3'"]),
        ("conv:3,p=1.2.x.4", ["p must be a whole number of at least 0", "'x'"]),
        ("conv:3,p=-1", ["p must be", "'-1'"]),
        ("conv:3,c=0", ["c must be at least 1, not 0"]),
        ("conv:3,c=1.5", ["c must be a whole number of at least 1", "'1.5'"]),
        ("conv:3,g=wide", ["g must be a whole number of at least 1", "'wide'"]),
        ("conv:3,mode=odd", ["padding mode 'odd' is none of zero, reflect, replicate"]),
        ("conv:3,q=1", ["'q=1' is not known to conv", "takes k=, kernel=, s=, p=", "nobias"]),
        ("conv:3,ceil", ["'ceil' is not known to conv"]),
        ("conv:3,5", ["'5' is not known to conv"]),
        ("conv:3,", ["'' is not known to conv"]),
        ("conv:3,k=5", ["'k=5' says again"]),
        ("conv:3,s=1,s=2", ["'s=2' says again"]),
        ("avgpool:2,ceil,ceil", ["'ceil' says again"]),
        ("conv:3,kernel=blur", ["k and kernel= exclude each other"]),
        ("conv:kernel=", ["kernel= needs a name", "kernel=gaussian:1.5"]),
        ("maxpool:2,nopad", ["'nopad' is not known to maxpool", "ceil"]),
        ("maxpool:2,kernel=blur", ["'kernel=blur' is not known to maxpool"]),
        ("relu:3", ["'3' is not known to relu", "name=, from="]),
        ("leaky-relu:steep", ["the slope must be a number", "'steep'"]),
        ("tconv:3,op=1", ["1 must be below the stride or the dilation"]),
        ("tconv:3,s=2x3,op=2", ["2 must be below the stride or the dilation"]),
        ("tconv:3,mode=reflect", ["'mode=reflect' is not known to tconv"]),
        ("linear", ["linear needs its number of outputs", "linear:1000"]),
        ("adaptiveavgpool", ["needs its output size", "adaptiveavgpool:7"]),
        ("adaptiveavgpool:size=7", ["'size=7' is not known to adaptiveavgpool"]),
        ("crop", ["crop:2", "like=NAME"]),
        ("crop:2,like=a", ["crop:2", "like=NAME"]),
        ("crop:same", ["the margin must be N, HxW or T.B.L.R, not 'same'"]),
        ("pad", ["pad needs a padding, like pad:1"]),
        ("pad:valid", ["the padding must be N, HxW or T.B.L.R, not 'valid'"]),
        ("slice", ["slice needs channels, like slice:0..16 or slice:16.."]),
        ("slice:3", ["slice takes channels A..B, like 0..16, ..16 or 16.., not '3'"]),
        ("slice:4..4", ["slice takes channels from A to before B, and 4..4 are none"]),
        ("reshape:3x4", ["reshape takes a shape CxHxW, like 64x7x7, or N, not '3x4'"]),
        ("reshape:3x0x4", ["a side of the shape must be at least 1, not 0"]),
        ("pixelshuffle", ["pixelshuffle needs the side of a block, like pixelshuffle:2"]),
        ("sub:from=a+b+c", ["sub joins two layers, like sub:from=a+b"]),
        ("div:from=a", ["div joins two layers or more"]),
        ("upsample", ["upsample needs a scale, like upsample:2"]),
        ("upsample:0", ["a scale must be at least 1, not 0"]),
        ("upsample:1/0", ["a scale must be at least 1, not 0"]),
        ("upsample:2.", ["a scale is a number like 2, 1.5 or 7/5, not '2.'"]),
        ("upsample:2,mode=linear", ["mode 'linear' is none of nearest, bilinear, bicubic"]),
        ("upsample:2,coords=corners", ["coords 'corners' is none of half-pixel, asymmetric, "]),
        ("upsample:2,mode=bilinear,nearest=ceil", ["nearest= has no effect with mode=bilinear"]),
        ("resize:2,a=-0.5", ["a= and inside have no effect with mode=nearest"]),
        ("resize", ["resize needs its output size, like resize:224"]),
        ("add", ["add joins two layers or more", "add:from=a+b"]),
        ("concat:from=a", ["concat joins two layers or more"]),
        ("relu:from=a+b", ["relu takes one input", "add or concat"]),
        ("relu:name=-st", ["a name starts with a letter", "'-st'"]),
        ("relu:name=:st", ["a name starts with a letter", "':st'"]),
        ("relu:name=1 st", ["a name starts with a letter", "'1 st'"]),
        ("relu:name=input", ["is not 'input'"]),
        ("add:from=a+", ["a name starts with a letter", "''"]),
        ("conv:" + "9" * 200_000, ["k has too many digits (200,000)"]),
    ],
)
def test_a_layer_that_reads_wrong_is_named_with_its_fault(text: str, faults: list[str]) -> None:
    with pytest.raises(NotationError) as refusal:
        parse_layer(text)
    message = str(refusal.value)
    assert message.startswith(f"layer {text!r}: ")
    for fault in faults:
        assert fault in message


@given(st.text(alphabet="conv:3x,=spdgk.+- ²é\n", max_size=20))
def test_any_other_text_is_refused_and_nothing_worse(text: str) -> None:
    for prefix in ("", "conv:", "avgpool:2,", "add:from="):
        try:
            layer = parse_layer(prefix + text)
        except NotationError:
            continue
        assert parse_layer(format_layer(layer)) == layer


@pytest.mark.parametrize("text", ["", "x", "3x", "x3", " 3", "3 ", "+3", "1e3", "3\n", "\uff13"])
def test_a_size_is_digits_alone(text: str) -> None:
    with pytest.raises(NotationError, match=r"^the side must be N or HxW"):
        parse_size(text, "the side")


def test_a_number_is_digits_alone() -> None:
    assert parse_number("007", "c") == 7
    with pytest.raises(NotationError, match=r"^c must be a whole number of at least 0, not '1_0'$"):
        parse_number("1_0", "c")


# ---- network files: what is written reads back, and mistakes are named with their line ----------


@given(networks(), st.integers(1, 99))
def test_a_network_that_is_written_reads_back(case: Case, channels: int) -> None:
    shape = (channels, *case.size)
    assert parse_network(format_network(shape, case.layers)) == (shape, list(case.layers))


@pytest.mark.parametrize("name", sorted(ZOO))
def test_a_well_known_network_reads_back(name: str) -> None:
    shape, texts = zoo_network(name)
    layers = [parse_layer(text) for text in texts]
    assert parse_network(format_network(shape, layers)) == (shape, layers)


@pytest.mark.parametrize("spec", ["gaussian:1.5", "@kernels/a=b.txt", "a b.npy"])
def test_a_real_kernel_reads_back(spec: str) -> None:
    layers = [Layer(op="conv", spec=spec, padding="same")]
    assert parse_network(format_network((1, 8, 8), layers)) == ((1, 8, 8), layers)


def test_comments_blank_lines_and_indents_say_nothing() -> None:
    text = "\n# a net\n\n  input 3x8x9  # its input\r\n\tconv:3,p=1 # one\n\n   relu\n#relu\n"
    shape, layers = parse_network(text)
    assert shape == (3, 8, 9)
    assert [format_layer(layer) for layer in layers] == ["conv:3,p=1", "relu"]


def test_the_input_may_be_left_out() -> None:
    assert parse_network("relu") == (None, [parse_layer("relu")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("relu\nconv:3,z=2", r"^line 2: layer 'conv:3,z=2': 'z=2' is not known to conv, .*nobias$"),
        (
            "# a\n\ncnov:3",
            r"^line 3: layer 'cnov:3': unknown operation 'cnov'; did you mean 'conv'\? `",
        ),
        ("input 3x8\nrelu", r"^line 1: an input's shape is CxHxW"),
        ("input\nrelu", r"^line 1: an input's shape is CxHxW"),
        ("input 0x8x8\nrelu", r"^line 1: its channels must be at least 1, not 0"),
        ("input 3x8xb\nrelu", r"^line 1: its width must be a whole number"),
        ("relu\ninput 3x8x8", r"^line 2: the input's shape stands once, and first$"),
        ("input 3x8x8\ninput 3x8x8\nrelu", r"^line 2: the input's shape stands once, and first$"),
        ("relu relu", r"^line 1: layer 'relu relu'"),
        ("conv:3,s=0", r"^line 1: .*s must be at least 1, not 0"),
        ("conv:", r"^line 1: "),
        ("input 3x8x8", "^holds no layers$"),
        ("", "^holds no layers$"),
        ("# nothing", "^holds no layers$"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(NotationError, match=words):
        parse_network(text)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_is_worse_than_a_named_mistake(text: str) -> None:
    said = ""
    try:
        parse_network(text)
    except NotationError as error:
        said = str(error)
    assert not said or said.startswith("line ") or said == "holds no layers"


def test_shapes_are_written_as_they_are_read() -> None:
    assert parse_shape("3x224x225") == (3, 224, 225)
    assert format_shape((3, 224, 225)) == "3x224x225"
    assert format_shape((1000,)) == "1000"
