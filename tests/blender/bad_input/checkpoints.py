"""Models of one's own: what may lie in their folder."""

from . import Case


def choosing(name):
    """Choose a checkpoint of the material for a good picture."""

    def spoil(desk):
        desk.list(desk.bring("good.png"))
        desk.model(name)

    return spoil


def refused(name, says, cause=""):
    return Case(f"model: {name}", choosing(name), "WeightsError", says, cause=cause)


def not_named(desk):
    desk.list(desk.bring("good.png"))
    desk.settings.model_folder = ""


def a_file(desk):
    desk.list(desk.bring("good.png"))
    desk.settings.model_folder = str(desk.material / "pictures" / "good.png")


SIZE = r"config\.json says .* for {} of .*, which no network has; use the file that came"

CASES = [
    Case("model: not named", not_named, "WeightsError", r"No model folder is named: choose"),
    Case("model: a picture", a_file, "WeightsError", r"No weights for .*good\.png.* were found", cause="no weights"),
    refused("nothing in it", r"No weights for .* were found \(model\.safetensors is missing\)", "no weights"),
    refused("folder in its place", r"No weights for .* were found", "no weights"),
    refused("missing key", r"The tensor model\.backbone\.\S+ is missing from the weights"),
    refused("extra key", r"hold 1 tensors that .* does not have, the first is model\.backbone\.surplus"),
    refused("wrong shape", r"has the shape \[\d+, 65\] instead of \[\d+, 64\]"),
    refused("whole numbers", r"is not stored as F32 or F16 or BF16: download it again"),
    refused("nan", r"gave no numbers for picture 1, .* download them again", "damaged numbers"),
    refused("infinity", r"gave no numbers for picture 1, .* download them again", "damaged numbers"),
    refused("other size", r"has the shape \[1, 1, 64\] instead of \[1, 1, 128\]"),
    refused("another preset", r"the weights are not those of 'Small'; choose"),
    refused("heads that do not divide", r"has 7 heads for 64 channels"),
    refused("block beyond the last", r"reads block 700 of \d+"),
    refused("size of text", SIZE.format("embed_dim")),
    refused("size below nothing", SIZE.format("depth")),
    refused("absurd depth", SIZE.format("depth")),
    refused("absurd width", SIZE.format("embed_dim")),
    refused("unknown kind", SIZE.format("type")),
    refused("unknown size", r"has an unknown size 'colour'; use the file"),
    refused("resolution of text", r"says 'high' for the resolution; use the file"),
    refused("range of one", r"says \[3\] for the resolution; use the file"),
    refused("not json", r"config\.json is not readable JSON .*; use the file that came with the weights"),
    refused("a list", r"fit no known model; put their config\.json beside", "unknown model"),
    refused("no config", r"fit no known model; put their config\.json beside", "unknown model"),
    refused("truncated", r"is not a whole safetensors file \(.*\); download it again", "cut off"),
    refused("cut in its header", r"is not a whole safetensors file \(.*\); download it again", "cut off"),
    refused("absurd header", r"is not a whole safetensors file \(.*\); download it again", "cut off"),
    refused("no bytes", r"is not a whole safetensors file \(.*\); download it again", "cut off"),
    refused("pickle", r"is a pickle under another name, .* never opened; get the weights as a safetensors"),
]
