"""Training learns, can be put aside at any step, runs in bf16, and writes what we and the package can read."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import WeightsError
from core.model.config import BackboneConfig, CameraDecoderConfig, CameraEncoderConfig, HeadConfig, NetworkConfig
from core.model.network import Network
from core.model.weights import Checkpoint
from training import recipes, train
from training.checkpoint import export, read_teacher
from training.config import Lesson, Recipe, Schedule, StudentObjective, TeacherObjective, TrainingError
from training.data import DataFolder
from training.evaluate import Score, table
from training.labels import Labeller
from training.learner import Machine, Moment
from training.metrics import area_under_curve, delta1, inlier_share, pair_errors
from training.monitor import open_monitor
from training.optimisation import learning_rate
from training.recipes import nano, nano_card, nano_onward, paper, teacher
from training.trainer import Trainer

CPU = Machine.choose("cpu", "fp32")
BF16 = Machine.choose("cpu", "bf16")
STUDENT = NetworkConfig(
    backbone=BackboneConfig(
        embed_dim=64,
        depth=8,
        num_heads=1,
        img_size=84,
        alt_start=2,
        qknorm_start=2,
        rope_start=2,
        cat_token=True,
        out_layers=(3, 5, 6, 7),
    ),
    head=HeadConfig(type="dual_dpt", dim_in=128, features=8, out_channels=(8, 8, 8, 8)),
    cam_enc=CameraEncoderConfig(dim=64, trunk_depth=1, num_heads=1),
    cam_dec=CameraDecoderConfig(dim_in=128),
)
TEACHER = NetworkConfig(
    backbone=BackboneConfig(embed_dim=64, depth=4, num_heads=1, img_size=84, out_layers=(0, 1, 2, 3)),
    head=HeadConfig(type="dpt", dim_in=64, features=8, out_channels=(8, 8, 8, 8)),
)


def tiny(recipe: Recipe, **changes) -> Recipe:
    """The recipe with a tiny network, small pictures, few views and ten steps."""
    sizes = (((84, 56), 1.0), ((56, 84), 1.0))
    network = STUDENT if isinstance(recipe.objective, StudentObjective) else TEACHER
    lessons = tuple(replace(lesson, views=((1, 1.0), (2, 1.0), (3, 1.0))) for lesson in recipe.lessons)
    schedule = replace(recipe.schedule, steps=10, minutes=None)
    changes = {"network": network, "sizes": sizes, "lessons": lessons, "schedule": schedule, **changes}
    return replace(recipe, **{"tokens_per_step": 3 * 24, **changes})


def small_teacher_objective():
    return TeacherObjective(region_sizes=(1 / 4,), region_count=2, region_points=16)


RECIPES = {
    "paper": tiny(paper.RECIPE, objective=replace(paper.RECIPE.objective, teacher_from=0.5)),
    "nano": tiny(nano.RECIPE, objective=replace(nano.OBJECTIVE, dense_from=0.3, dense_images=2)),
    "nano_onward": tiny(nano_onward.RECIPE, helpers=replace(nano.RECIPE.helpers, alone_steps=3)),
    "nano_card": tiny(nano_card.RECIPE, helpers=replace(nano.RECIPE.helpers, alone_steps=2)),
    "teacher": tiny(teacher.RECIPE, objective=small_teacher_objective()),
}


@pytest.fixture(scope="module")
def teacher_network():
    torch.manual_seed(5)
    return Network(TEACHER).eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Folder of a checkpoint of the tiny student."""
    torch.manual_seed(6)
    folder = tmp_path_factory.mktemp("weights")
    export(folder, "tiny", STUDENT, dict(Network(STUDENT).named_parameters()))
    return folder


@pytest.fixture
def start(data, teacher_network, weights):
    """Starts a run of one of the recipes."""

    def start(name, machine=CPU, **changes):
        recipe = replace(RECIPES[name], **changes)
        if recipe.weights:
            recipe = replace(recipe, weights=str(weights))
        needs = getattr(recipe.objective, "teacher_from", 1) < 1
        return Trainer.start(recipe, [data], machine, teacher_network if needs else None)

    return start


@pytest.mark.parametrize(("name", "before", "after"), [
    ("paper", 4, 3),  # the teacher's labels begin at step 5
    ("nano", 2, 3),  # the dense head at step 3
    ("nano_onward", 2, 3),  # the network at step 3
    ("teacher", 2, 2),
])  # fmt: skip
def test_a_run_that_was_put_aside_has_the_losses_of_one_that_never_stopped(start, tmp_path, name, before, after):
    whole = start(name)
    expected = [whole.advance() for _ in range(before + after)]
    first = start(name)
    assert [first.advance() for _ in range(before)] == expected[:before]
    first.save(tmp_path / "state.safetensors")
    torch.manual_seed(12345)  # whatever happened in between
    second = start(name)
    second.resume(tmp_path / "state.safetensors")
    assert [second.advance() for _ in range(after)] == expected[before:]
    for name, tensor in whole.average.weights.items():
        assert torch.equal(tensor, second.average.weights[name]), name
    assert second.facts() | {"seconds": 0} == whole.facts() | {"seconds": 0}


def test_batches_that_others_draw_ahead_are_those_of_the_steps(start, tmp_path):
    alone, helped = start("nano_card"), start("nano_card")
    expected = [alone.advance() for _ in range(5)]
    helped.draw_ahead(2)
    assert [helped.advance() for _ in range(5)] == expected
    helped.save(tmp_path / "state.safetensors")
    resumed = start("nano_card")
    resumed.resume(tmp_path / "state.safetensors")
    resumed.draw_ahead(1)
    assert resumed.advance() == alone.advance()


def test_the_teachers_labels_begin_at_their_step(start):
    """Until then the run is the one without a teacher, and cameras and rays never hear of it."""
    taught = start("paper")
    alone = start("paper", objective=replace(RECIPES["paper"].objective, teacher_from=1.0))
    for _ in range(5):
        assert taught.advance() == alone.advance()
    with_labels, without = taught.advance(), alone.advance()
    assert {name for name, value in without.items() if value != with_labels[name]} == {"depth", "point", "gradient"}


def test_phases_of_a_run_have_the_terms_they_should(start):
    """Helpers alone, cameras, dense head; the average only moves when the network does."""
    names = {"depth", "ray", "point", "gradient", "camera"}
    run = start("paper")
    assert set(run.advance()) == names
    run = start("nano")
    assert names.isdisjoint(set(run.advance()) - {"camera"})
    run.step = 3
    assert set(run.advance()) > names | {"baseline", "patch"}
    run = start("nano_onward")
    before = {name: tensor.clone() for name, tensor in run.average.weights.items()}
    assert names.isdisjoint(run.advance())
    assert all(torch.equal(before[name], p) for name, p in run.learner.network.named_parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in run.average.weights.items())
    run.step = 3
    assert set(run.advance()) > names | {"baseline", "patch"}
    assert not all(torch.equal(before[name], tensor) for name, tensor in run.average.weights.items())


def test_helpers_alone_learn_to_read_the_network(start):
    run = start("nano_onward", helpers=replace(nano.RECIPE.helpers, alone_steps=100, alone_rate=0.02))
    draw = run.sampler.draw
    run.sampler.draw = lambda step, progress: draw(0, progress)
    losses = [run.advance()["patch"] for _ in range(30)]
    assert losses[-1] < 0.9 * losses[0]
    assert run.images == 0 and run.seconds == 0 and run.moment.progress == 0


@pytest.mark.parametrize("name", ["nano", "teacher"])
def test_training_reduces_the_loss_of_one_batch(start, name):
    schedule = Schedule(learning_rate=2e-3, steps=1000, warm_up=1e-9)
    objective = replace(RECIPES[name].objective, **({"dense_from": 0.0} if name == "nano" else {}))
    run = start(name, schedule=schedule, objective=objective)
    draw = run.sampler.draw
    run.sampler.draw = lambda step, progress: draw(1, progress)
    losses = [sum(run.advance().values()) for _ in range(15)]
    assert min(losses[-3:]) < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["nano", "teacher"])
def test_bf16_has_the_losses_of_fp32_nearly(start, name):
    runs = [start(name, machine) for machine in (CPU, BF16)]
    for run in runs:
        run.step = 4  # the dense head, too
    exact, rough = ({name: float(loss) for name, loss in run.advance().items()} for run in runs)
    assert exact.keys() == rough.keys()
    assert exact != rough
    for key, value in exact.items():
        assert rough[key] == pytest.approx(value, rel=0.1, abs=0.02), key
    assert all(p.dtype == torch.float32 for p in runs[1].learner.network.parameters())
    assert all(np.isfinite(v) for v in runs[1].advance().values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("name", list(RECIPES))
def test_a_gpu_runs_the_same_recipe(start, name, teacher_network):
    run = start(name, Machine.choose("cuda"))
    assert all(np.isfinite(float(v)) for _ in range(6) for v in run.advance().values())
    teacher_network.cpu()


def test_a_batch_depends_on_seed_and_step_alone(start):
    one, other, reseeded = start("nano"), start("nano"), start("nano", seed=1)
    one.sampler.draw(0, 0.0)
    batches = [run.sampler.draw(7, 0.0) for run in (one, other, reseeded)]
    assert torch.equal(batches[0].images, batches[1].images)
    assert batches[0].images.shape != batches[2].images.shape or not torch.equal(batches[0].images, batches[2].images)


def test_lessons_follow_one_another_and_bring_views_and_baselines(start):
    lessons = (
        Lesson(views=((2, 1.0),), reach=((0.25, 1.0),), until=0.5),
        Lesson(views=((4, 1.0),), reach=((1.0, 1.0),)),
    )
    run = start("paper", lessons=lessons)
    near, far = ([run.sampler.draw(step, progress) for step in range(12)] for progress in (0.2, 0.5))
    assert {batch.depth.shape[1] for batch in near} == {2}
    assert {batch.depth.shape[1] for batch in far} == {4}

    def steps(batches):
        centres = [batch.world_from_camera[:, :, :3, 3] for batch in batches]
        return np.mean([float((c[:, 1:2] - c[:, :1]).norm(dim=-1).mean()) for c in centres])

    assert steps(near) < 0.6 * steps(far)


def test_a_step_has_about_the_same_tokens_whatever_views_and_sizes(start):
    run = start("nano", tokens_per_step=6 * 24, sizes=(((84, 56), 1.0), ((84, 84), 1.0)))
    batches = [run.sampler.draw(step, 0.0) for step in range(20)]
    assert all(72 <= batch.pictures * batch.depth[0, 0].numel() // 196 <= 180 for batch in batches)


def test_cameras_are_given_as_often_as_the_recipe_says(start):
    """Only from given cameras does the loss reach the encoder that reads them."""
    run = start("paper", schedule=Schedule(learning_rate=0.0, steps=1000))

    def is_given(step):
        run.step = step
        run.advance()
        return any(p.grad is not None for p in run.learner.network.cam_enc.parameters())

    moments = [Moment(run.recipe.seed, step, 0.0).random().random() < 0.2 for step in range(3000)]
    assert np.mean(moments) == pytest.approx(0.2, abs=0.03)
    assert [is_given(step) for step in range(12)] == moments[:12]
    assert set(moments[:12]) == {False, True}


def test_labels_replace_depth_and_leave_everything_else(start):
    run = start("paper")
    batch = run.sampler.draw(0, 0.0)

    class Affine(torch.nn.Module):
        """A teacher that knows the truth, in a scale and shift of its own, and takes the first row for sky."""

        def forward(self, images):
            depth, sky = 0.3 * batch.depth - 0.1, torch.zeros_like(batch.depth)
            sky[..., 0, :] = 1
            return type("Output", (), {"depth": depth, "sky": sky})

    labelled = Labeller(Affine(), CPU, 200).label(batch, np.random.default_rng(0))
    torch.testing.assert_close(labelled.depth[..., 1:, :], batch.depth[..., 1:, :], atol=1e-4, rtol=1e-4)
    assert (labelled.depth[..., 0, :] == 0).all()
    assert labelled.images is batch.images and labelled.world_from_camera is batch.world_from_camera


def test_a_recipe_and_what_it_is_given_must_go_together(data, start, teacher_network, weights, tmp_path):
    with pytest.raises(TrainingError, match="--teacher"):
        Trainer.start(RECIPES["paper"], [data], CPU)
    with pytest.raises(TrainingError, match="--teacher"):
        Trainer.start(RECIPES["nano"], [data], CPU, teacher_network)
    with pytest.raises(TrainingError, match="--teacher"):
        Trainer.start(RECIPES["teacher"], [data], CPU, teacher_network)
    with pytest.raises(TrainingError, match="--side 504 --views 18"):
        start("paper", sizes=(((504, 504), 1.0),), lessons=paper.RECIPE.lessons)
    with pytest.raises(TrainingError, match="another network"):
        Trainer.start(replace(RECIPES["nano"], weights="nano"), [data], CPU)
    with pytest.raises(WeightsError):
        Trainer.start(replace(RECIPES["nano"], weights=str(tmp_path)), [data], CPU)
    with pytest.raises(TrainingError, match="no single-view network"):
        read_teacher(str(weights), CPU.device)
    with pytest.raises(TrainingError, match="either steps or minutes"):
        Schedule(learning_rate=1.0)


def test_every_recipe_is_a_file_and_says_its_run():
    assert recipes.names() == [
        "nano",
        "nano_card",
        "nano_furnished",
        "nano_onward",
        "paper",
        "paper_teacher",
        "teacher",
    ]
    for name in recipes.names():
        recipe = recipes.load(name)
        assert recipe.lessons[-1].until == 1
        assert [lesson.until for lesson in recipe.lessons] == sorted(lesson.until for lesson in recipe.lessons)
    assert paper.RECIPE.schedule.progress(120_000, 0) == paper.RECIPE.objective.teacher_from
    assert paper.RECIPE.schedule.progress(8_000, 0) == paper.RECIPE.schedule.warm_up


def test_schedule_follows_the_clock_only_where_it_is_told_to():
    assert Schedule(learning_rate=1.0, steps=10).progress(5, 1e9) == 0.5
    assert Schedule(learning_rate=1.0, minutes=2).progress(10**9, 60) == 0.5


def test_learning_rate_rises_holds_and_ends_at_zero():
    schedule = nano.RECIPE.schedule
    assert learning_rate(schedule, 0.5 * schedule.warm_up) == pytest.approx(0.5 * schedule.learning_rate)
    assert learning_rate(schedule, 0.9 * schedule.hold) == schedule.learning_rate
    assert learning_rate(schedule, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert learning_rate(schedule, 1.2) == pytest.approx(0.0, abs=1e-12)


@pytest.fixture
def tiny_recipes(monkeypatch, weights):
    """The command's recipes are the tiny ones."""
    monkeypatch.setattr(train, "load", lambda name: replace(
        RECIPES[name], weights=str(weights) if RECIPES[name].weights else None))  # fmt: skip


def run_command(recipe, data, output, *more):
    folder = str(data.folder)
    train.main([recipe, "--data", folder, "--monitor", folder, "--output", str(output), "--device", "cpu", *more])
    return [json.loads(line) for line in (output / "curve.jsonl").read_text().splitlines()]


def test_the_commands_lead_from_a_teacher_to_its_student_and_to_the_next_sitting(tiny_recipes, data, tmp_path):
    taught = run_command("teacher", data, tmp_path / "teacher", "--steps", "2")
    assert taught[-1]["step"] == 2 and 0 <= taught[-1]["d1"] <= 1 and "auc30" not in taught[-1]
    folder = str(tmp_path / "teacher" / "checkpoint")
    assert Checkpoint(folder).config.network == TEACHER
    line = run_command("paper", data, tmp_path / "student", "--steps", "2", "--teacher", folder)[-1]
    assert line["step"] == 2 and {"d1", "d1_given", "auc30", "auc30_given", "rot", "dir", "depth"} <= line.keys()
    assert Checkpoint(str(tmp_path / "student" / "checkpoint")).config.network == STUDENT
    onward = run_command("nano_onward", data, tmp_path / "next", "--steps", "1")
    assert onward[-1]["step"] == 4  # three alone
    state = str(tmp_path / "next" / "state.safetensors")
    after = run_command("nano_onward", data, tmp_path / "last", "--steps", "2", "--after", state)
    assert after[-1]["step"] == 2 and "depth" in after[-1]


def test_a_finished_run_stays_finished_and_another_recipe_is_refused(tiny_recipes, data, tmp_path):
    first = run_command("nano", data, tmp_path, "--steps", "1")
    assert run_command("nano", data, tmp_path, "--steps", "1") == first
    with pytest.raises(TrainingError, match="another recipe"):
        run_command("nano", data, tmp_path, "--steps", "2")


def test_a_data_folder_is_begun_once_and_keeps_its_size(tmp_path):
    (tmp_path / "data").mkdir()  # one that is empty, or was left before its arrays were whole, is begun
    folder = DataFolder.begin(tmp_path / "data", 2, side=70, views=3)
    assert folder.images.shape == (2, 3, 70, 70, 3) and folder.depth.shape == (2, 3, 70, 70)
    assert folder.ready() == 0
    folder.report(1)
    assert DataFolder.begin(tmp_path / "data", 2, side=70, views=3).ready() == 1
    with pytest.raises(TrainingError, match="2 scenes of 3 views of 70 pixels"):
        DataFolder.begin(tmp_path / "data", 9, side=70, views=3)
    with pytest.raises(TrainingError, match="holds no scenes"):
        DataFolder.open(tmp_path / "typo")


def test_a_state_is_taken_whole_and_by_its_own_run_or_refused(start, data, tmp_path):
    """What is refused has changed nothing, not even in part."""
    file = tmp_path / "state.safetensors"
    start("nano").save(file)
    wider = replace(
        STUDENT,
        backbone=replace(STUDENT.backbone, embed_dim=128, num_heads=2),
        head=replace(STUDENT.head, dim_in=256),
        cam_enc=CameraEncoderConfig(dim=128, trunk_depth=1, num_heads=1),
        cam_dec=CameraDecoderConfig(dim_in=256),
    )
    run = start("nano", network=wider)
    before = [p.clone() for p in run.learner.network.parameters()]
    with pytest.raises(TrainingError, match="another network"):
        run.follow(file)
    assert all(torch.equal(p, old) for p, old in zip(run.learner.network.parameters(), before, strict=True))
    start("nano", helpers=None).save(tmp_path / "bare.safetensors")
    with pytest.raises(TrainingError, match="other helpers"):
        start("nano").follow(tmp_path / "bare.safetensors")
    with pytest.raises(TrainingError, match="1 data folders"):
        Trainer.start(RECIPES["nano"], [data, data], CPU).resume(file)
    file.write_bytes(file.read_bytes()[:5000])
    for path in (file, tmp_path / "typo"):
        with pytest.raises(TrainingError, match="not whole"):
            start("nano").resume(path)


def test_scenes_that_are_not_there_or_too_small_are_told_before_a_run(data, start, tmp_path):
    empty = DataFolder.create(tmp_path / "empty", 2, side=84)
    with pytest.raises(TrainingError, match="No scene of the data is whole"):
        Trainer.start(RECIPES["nano"], [empty], CPU)
    batch = Trainer.start(RECIPES["nano"], [empty, data], CPU).sampler.draw(0, 0.0)
    assert (batch.depth > 0).any()
    few = DataFolder.create(tmp_path / "few", 2, side=84, views=3)
    with pytest.raises(TrainingError, match="--side 84 --views 8"):
        open_monitor(few.folder, RECIPES["nano"])
    with pytest.raises(TrainingError, match="--side 504 --views 8"):
        open_monitor(data.folder, paper.RECIPE)


def test_checkpoint_loads_strictly_and_holds_the_same_weights(tmp_path):
    torch.manual_seed(0)
    config = nano.RECIPE.network
    network = Network(config)
    export(tmp_path, "nano", config, dict(network.named_parameters()))
    loaded = Checkpoint(str(tmp_path)).fill("model.")
    assert loaded.config == config
    theirs = loaded.state_dict()
    assert theirs.keys() == network.state_dict().keys()
    for name, ours in network.state_dict().items():
        torch.testing.assert_close(theirs[name], ours.half().float(), rtol=0, atol=0)
    assert (tmp_path / "model.safetensors").stat().st_size <= 16e6


def test_the_table_of_a_few_scenes_has_the_kinds_that_were_seen():
    lines = table({"bare": [Score("room", "orbit", 0.5, 0.2, [(1.0, 2.0)])]}).splitlines()
    assert [line[:26].strip() for line in lines[1:] if line] == ["bare", "room: bare", "orbit: bare"]


def test_metrics_of_the_truth_and_of_known_errors():
    depth = np.random.default_rng(0).uniform(1, 3, (6, 8))
    assert delta1(7 * depth, depth) == 1.0  # the scale is free
    assert inlier_share(np.array([1.0, 1.2, 1.3, -1.0]), np.ones(4)) == 0.5
    cameras = np.stack([np.eye(4)] * 2)
    cameras[1, :3, 3] = (1.0, 0.0, 0.0)
    turned = cameras.copy()
    angle = np.radians(10)
    turned[1, :2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    ((rotation, direction),) = pair_errors(turned, cameras)
    assert rotation == pytest.approx(10)
    assert direction == pytest.approx(0, abs=1e-4)
    assert area_under_curve([(10.5, 0.0)], 30) == pytest.approx(100 * 20 / 30)
    assert area_under_curve(pair_errors(cameras, cameras), 5) == 100
    assert pair_errors(np.stack([np.eye(4)] * 2), cameras)[0][1] == 90
