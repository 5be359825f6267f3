"""The readers of the visual geometry benchmark on tiny folders of its layouts, beside the official readers."""

import struct

import numpy as np
import pytest
from official_evaluation import official, turn
from PIL import Image

pytest.importorskip("open3d", reason="Open3D is not installed: `make bench-accuracy` installs it")
import open3d as o3d

from benchmarks.accuracy.official import open_sets
from benchmarks.accuracy.official.frames import chosen
from benchmarks.accuracy.prediction import PredictedView, Prediction
from benchmarks.accuracy.scoring import score

SIZE = (16, 12)
K = np.array([[14.0, 0.0, 8.0], [0.0, 14.0, 6.0], [0.0, 0.0, 1.0]])
DEPTH = 2.0  # of a wall before every camera


def save_picture(file, pixels=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    if pixels is None:  # two halves, for one colour alone shows nothing
        pixels = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        pixels[:, SIZE[0] // 2 :] = 180
    Image.fromarray(pixels).save(file)


def save_mesh(file, scale=1.0):
    """The wall Z = 2 that all cameras look at."""
    file.parent.mkdir(parents=True, exist_ok=True)
    corners = scale * np.array([[-2.0, -2.0, DEPTH], [2.0, -2.0, DEPTH], [2.0, 2.0, DEPTH], [-2.0, 2.0, DEPTH]])
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(corners), o3d.utility.Vector3iVector([[0, 1, 2], [0, 2, 3]])
    )
    o3d.io.write_triangle_mesh(str(file), mesh)
    return mesh


def save_points(file, mesh):
    file.parent.mkdir(parents=True, exist_ok=True)
    o3d.io.write_point_cloud(str(file), mesh.sample_points_uniformly(40_000))


@pytest.fixture
def poses(chance):
    """camera_from_world [5, 4, 4] that look along Z from about the origin."""
    cameras = np.repeat(np.eye(4)[None], 5, axis=0)
    cameras[:, :2, 3] = chance.normal(0.0, 0.2, (5, 2))
    return np.linalg.inv(cameras)


def truth(scene):
    """What a network would say that knows the truth, in another world and unit."""
    turned = np.eye(4)
    turned[:3, :3] = turn(np.array([0.3, 0.2, -0.5]))
    views = []
    for index, (camera, lens) in enumerate(
        zip(scene.pictures.world_from_camera, scene.pictures.image_from_camera, strict=True)
    ):
        moved = turned @ camera
        moved[:3, 3] *= 0.4
        with Image.open(scene.pictures.files[index]) as picture:
            width, height = picture.size
        depth = np.full((height, width), 0.4 * DEPTH, np.float32)
        views.append(PredictedView(depth, lens, moved, np.eye(3), (width, height)))
    return Prediction(tuple(views), False)


def check_scene(scene, folder, poses, count=5):
    assert len(scene.pictures.files) == count
    assert all(file.is_relative_to(folder) for file in scene.pictures.files)
    np.testing.assert_allclose(np.linalg.inv(scene.pictures.world_from_camera), poses, atol=1e-6)


def check_truth(scene, *, depth=True):
    scores = score(scene, truth(scene))
    assert scores["auc3"] > 99.0
    assert scores["precision"] > 0.95
    assert scores.get("delta1", 1.0) > 0.98  # ScanNet++ blends depth with what is unknown
    assert ("delta1" in scores) == depth
    return scores


@pytest.fixture
def hiroom(tmp_path, poses):
    root = tmp_path / "hiroom"
    name = "house/floor/room"
    for index, pose in enumerate(poses):
        save_picture(root / "data" / name / "image" / f"{index}.jpg")
        steps = np.full((SIZE[1], SIZE[0]), round(DEPTH / 100 * 65535), np.uint16)
        steps[0, 0] = 0
        save_picture(root / "data" / name / "depth" / f"{index}.png", steps)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[1, 2] = 255
        save_picture(root / "data" / name / "aliasing_mask" / f"{index}.png", mask)
        (root / "data" / name / "pose").mkdir(exist_ok=True)
        np.save(root / "data" / name / "pose" / f"{index}.npy", pose)
    save_picture(root / "data" / name / "image" / "9.jpg")  # has no pose
    np.save(root / "data" / name / "cam_K.npy", K)
    (root / "selected_scene_list_val.txt").write_text(f"{name}\nhouse/floor/missing\n")
    save_points(root / "fused_pcd" / "house-floor-room.ply", save_mesh(tmp_path / "mesh.ply"))
    return tmp_path


def test_hiroom(hiroom, poses, monkeypatch):
    (scene,) = open_sets(hiroom, ["hiroom"])
    check_scene(scene, hiroom, poses)
    assert scene.pictures.name == "hiroom_house-floor-room"
    view = scene.view(0)
    assert (~view.kept).sum() == 2
    np.testing.assert_allclose(view.depth[view.kept], DEPTH, atol=1e-3)
    check_truth(scene)
    theirs = official("bench.datasets.hiroom").HiRoomDataset
    monkeypatch.setattr(theirs, "data_root", str(hiroom / "hiroom" / "data"))
    monkeypatch.setattr(theirs, "gt_root_path", str(hiroom / "hiroom" / "fused_pcd"))
    check_official(theirs(), "house/floor/room", scene)


def check_official(theirs, name, scene, half=0.0):
    """The official reader finds the same pictures and cameras."""
    data = theirs.get_data(name)
    assert [str(file) for file in scene.pictures.files] == list(data.image_files)
    np.testing.assert_allclose(np.linalg.inv(scene.pictures.world_from_camera), data.extrinsics, atol=1e-5)
    shift = np.array([[0.0, 0.0, half], [0.0, 0.0, half], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(scene.pictures.image_from_camera, data.intrinsics + shift, rtol=1e-6, atol=1e-4)
    return data


def test_hiroom_is_scored_as_the_official_evaluation_scores_it(hiroom, tmp_path, chance, monkeypatch):
    """From files to F1 on the same prediction; depth and cameras are a little off."""
    (scene,) = open_sets(hiroom, ["hiroom"])
    lens = np.array([[14.0, 0.0, 8.5], [0.0, 14.0, 6.5], [0.0, 0.0, 1.0]])  # its pixel centres are whole numbers
    views, exact = [], truth(scene)
    for view in exact.views:
        depth = view.depth * chance.normal(1.0, 0.02, view.depth.shape).astype(np.float32)
        camera = view.world_from_camera.copy()
        camera[:3, 3] += chance.normal(0.0, 0.002, 3)
        views.append(PredictedView(depth, lens, camera, np.eye(3), SIZE))
    found = Prediction(tuple(views), False)
    ours = score(scene, found)

    theirs = official("bench.datasets.hiroom").HiRoomDataset
    monkeypatch.setattr(theirs, "data_root", str(hiroom / "hiroom" / "data"))
    monkeypatch.setattr(theirs, "gt_root_path", str(hiroom / "hiroom" / "fused_pcd"))
    result = tmp_path / "exports" / "mini_npz" / "results.npz"
    result.parent.mkdir(parents=True)
    half = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    np.savez(
        result,
        depth=np.stack([view.depth for view in views]),
        extrinsics=np.linalg.inv(found.cameras)[:, :3],
        intrinsics=np.stack([lens - half] * len(views)),
    )
    o3d.utility.random.seed(42)
    data = theirs()
    data.fuse3d("house/floor/room", str(result), str(tmp_path / "fused.ply"), "recon_unposed")
    expected = data.eval3d("house/floor/room", str(tmp_path / "fused.ply"))
    assert 0.1 < expected["fscore"] < 0.99
    assert ours["f1"] == pytest.approx(expected["fscore"], abs=0.01)
    assert ours["chamfer"] == pytest.approx(expected["overall"], rel=0.02)


def test_seven_scenes(tmp_path, poses, monkeypatch):
    folder = tmp_path / "7scenes" / "7Scenes"
    big = np.full((480, 640), 2000, np.uint16)
    big[0, :2] = (0, 65535)
    for index, pose in enumerate(poses):
        start = folder / "chess" / "seq-01" / f"frame-{3 * index:06}"
        save_picture(start.with_suffix(".color.png"), np.zeros((480, 640, 3), np.uint8))
        save_picture(start.with_suffix(".depth.png"), big)
        np.savetxt(start.with_suffix(".pose.txt"), np.linalg.inv(pose))
    save_mesh(folder / "meshes" / "chess.ply")
    (scene,) = open_sets(tmp_path)
    check_scene(scene, tmp_path, poses)
    assert (~scene.view(0).kept).sum() == 2
    check_truth(scene)
    theirs = official("bench.datasets.sevenscenes").SevenScenes
    monkeypatch.setattr(theirs, "data_root", str(tmp_path / "7scenes"))
    data = check_official(theirs(), "chess", scene)
    np.testing.assert_array_equal(scene.view(1).kept, theirs()._load_gt_mask(data.aux.gt_depth_files[1]))


def colmap_text(folder, poses, names, model="PINHOLE 16 12 14.0 14.0 8.0 6.0"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.txt").write_text(f"# a\n# b\n# c\n7 {model}\n")
    lines = ["# a", "# b", "# c", "# d"]
    for index, (pose, name) in enumerate(zip(poses, names, strict=True)):
        x, y, z = pose[:3, 3]
        lines += [f"{index} 1.0 0.0 0.0 0.0 {x} {y} {z} 7 {name}", "1.0 2.0 -1" if index else ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    (folder / "points3D.txt").write_text("")


def colmap_binary(folder, poses, names):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.bin").write_bytes(struct.pack("<QiiQQ4d", 1, 7, 1, *SIZE, 14.0, 14.0, 8.0, 6.0))
    written = struct.pack("<Q", len(poses))
    for index, (pose, name) in enumerate(zip(poses, names, strict=True)):
        written += struct.pack("<i7di", index, 1.0, 0.0, 0.0, 0.0, *pose[:3, 3], 7) + name.encode() + b"\0"
        written += struct.pack("<Q", index) + index * struct.pack("<ddq", 1.0, 2.0, -1)
    (folder / "images.bin").write_bytes(written)
    (folder / "points3D.bin").write_bytes(struct.pack("<Q", 0))


@pytest.fixture
def eth3d(tmp_path, poses):
    folder = tmp_path / "eth3d" / "electro"
    names = [f"dslr_images_undistorted/DSC_{number}.JPG" for number in (9289, 9294, 9295, 9296, 9297)]
    colmap_text(folder / "dslr_calibration_jpg", poses, names)
    for name in names:
        save_picture(folder / "images" / name)
        depth = np.full((SIZE[1], SIZE[0]), DEPTH, np.float32)
        depth[0, :2] = (0.0, np.inf)
        file = folder / "ground_truth_depth" / "dslr_images" / name.split("/")[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        depth.tofile(file)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[3, 4:6] = (1, 2)
        save_picture(folder / "masks_for_images" / "dslr_images" / file.name.replace("JPG", "png"), mask)
    save_mesh(folder / "combined_mesh.ply")
    return tmp_path


def test_eth3d(eth3d, poses, monkeypatch):
    (scene,) = open_sets(eth3d, ["eth3d"])
    check_scene(scene, eth3d, poses[1:], 4)  # a picture that is known to be wrong is left out
    assert (~scene.view(0).kept).sum() == 3
    check_truth(scene)
    theirs = official("bench.datasets.eth3d").ETH3D
    monkeypatch.setattr(theirs, "data_root", str(eth3d / "eth3d"))
    check_official(theirs(), "electro", scene)
    mask = theirs()._load_gt_mask("electro", "DSC_9295.JPG", SIZE[::-1])
    np.testing.assert_array_equal(scene.view(1).kept, mask)


def test_eth3d_without_depth_is_fused_whole(eth3d):
    for file in (eth3d / "eth3d" / "electro" / "ground_truth_depth" / "dslr_images").iterdir():
        file.unlink()
    (scene,) = open_sets(eth3d, ["eth3d"])
    assert (~scene.view(0).kept).sum() == 1
    check_truth(scene, depth=False)


@pytest.mark.parametrize("kind", ["text", "binary", "distorted"])
def test_scannetpp(tmp_path, poses, monkeypatch, kind):
    folder = tmp_path / "scannetpp" / "09c1414f1b"
    inputs = folder / "merge_dslr_iphone"
    names = ["iphone/frame_2.jpg", "iphone/frame_1.jpg", "dslr/frame_0.jpg", "iphone/frame_3.jpg", "iphone/frame_4.jpg"]
    write = colmap_binary if kind == "binary" else colmap_text
    lens = {"model": "OPENCV 16 12 14.0 14.0 8.2 6.1 0.05 -0.02 0.001 0.002"} if kind == "distorted" else {}
    write(inputs / "colmap" / "sparse_render_rgb", poses, names, **lens)
    for name in names:
        save_picture(inputs / "images" / name)
        steps = np.full((SIZE[1], SIZE[0]), 2000, np.uint16)
        steps[:2, :2] = 0
        save_picture(inputs / "render_depth" / f"{name.split('/')[1][:-4]}.png", steps)
    save_mesh(folder / "scans" / "mesh_aligned_0.05.ply")
    (scene,) = open_sets(tmp_path, ["scannetpp"])
    check_scene(scene, tmp_path, poses[[1, 0, 3, 4]], 4)
    check_truth(scene)
    theirs = official("bench.datasets.scannetpp").ScanNetPP
    monkeypatch.setattr(theirs, "data_root", str(tmp_path / "scannetpp"))
    data = check_official(theirs(), "09c1414f1b", scene, half=0.5)
    np.testing.assert_array_equal(scene.view(2).kept, theirs()._load_gt_mask(data.aux.gt_depth_files[2]))


@pytest.fixture
def dtu(tmp_path, chance):
    """35 views, in millimetres, so that one can go to the front."""
    scipy_io = pytest.importorskip("scipy.io", reason="the official evaluation needs requirements/accuracy.txt")
    root, poses = tmp_path / "dtu", np.repeat(np.eye(4)[None], 35, axis=0)
    poses[:, :2, 3] = chance.normal(0.0, 30.0, (35, 2))
    lens = K - np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    (root / "Cameras").mkdir(parents=True)
    for index, pose in enumerate(poses):
        save_picture(root / "Rectified" / "scan1" / f"rect_{index + 1:03}_3_r5000.png")
        mask = np.full((SIZE[1], SIZE[0]), 255, np.uint8)
        mask[0, 0] = 10
        save_picture(root / "depth_raw" / "Depths" / "scan1" / f"depth_visual_{index:04}.png", mask)
        rows = ["extrinsic", *(" ".join(map(str, row)) for row in pose), "", "intrinsic"]
        rows += [" ".join(map(str, row)) for row in lens]
        (root / "Cameras" / f"{index:08}_cam.txt").write_text("\n".join([*rows, "", "425 2.5"]))
    save_points(root / "Points" / "stl" / "stl001_total.ply", save_mesh(tmp_path / "mesh.ply", 100.0))
    masks = root / "SampleSet" / "mvs_data" / "ObsMask"
    masks.mkdir(parents=True)
    box = np.array([[-150.0, -150.0, 150.0], [150.0, 150.0, 250.0]])
    observed = np.ones((31, 31, 11), np.uint8)
    observed[:8] = 0
    scipy_io.savemat(masks / "ObsMask1_10.mat", {"ObsMask": observed, "BB": box, "Res": 10.0})
    scipy_io.savemat(masks / "Plane1.mat", {"P": np.array([[0.0, 1.0, 0.0, 120.0]])})
    return tmp_path


def dtu_prediction(scene, chance, noise, *, given):
    views = []
    for camera, lens in zip(scene.pictures.world_from_camera, scene.pictures.image_from_camera, strict=True):
        depth = (200.0 + chance.normal(0.0, noise, (SIZE[1], SIZE[0]))).astype(np.float32)
        views.append(PredictedView(depth, lens, camera, np.eye(3), SIZE))
    return Prediction(tuple(views), given)


@pytest.mark.parametrize("given", [False, True])
def test_dtu_is_scored_as_the_official_evaluation_scores_it(dtu, tmp_path, chance, monkeypatch, given):
    (scene,) = open_sets(dtu, ["dtu"])
    assert scene.pictures.files[0].name == "rect_034_3_r5000.png"
    assert (~scene.view(0).kept).sum() == 1
    found = dtu_prediction(scene, chance, 0.05, given=given)
    ours = score(scene, found)
    assert "f1" not in ours
    assert "delta1" not in ours
    theirs = official("bench.datasets.dtu").DTU
    monkeypatch.setattr(theirs, "data_root", str(dtu / "dtu"))
    check_official(theirs(), "scan1", scene, half=0.5)
    result = tmp_path / "results.npz"
    half = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    np.savez(
        result,
        depth=np.stack([view.depth for view in found.views]),
        extrinsics=np.linalg.inv(found.cameras)[:, :3],
        intrinsics=scene.pictures.image_from_camera - half,
    )
    if not given:  # upstream masks only what it has to resize
        monkeypatch.setattr(
            theirs, "_prep_unposed", lambda self, pred, gt, masks: (pred.depth * masks, pred.intrinsics, gt.extrinsics)
        )
    theirs().fuse3d("scan1", str(result), str(tmp_path / "fused.ply"), "recon_posed" if given else "recon_unposed")
    expected = theirs().eval3d("scan1", str(tmp_path / "fused.ply"))
    # upstream returns accuracy under the name of completeness, and the other way round
    for name, its in (("accuracy", "comp"), ("completeness", "acc"), ("chamfer", "overall")):
        assert ours[name] == pytest.approx(expected[its], rel=1e-3)


def test_dtu64_has_cameras_only(dtu, monkeypatch):
    (dtu / "dtu64").mkdir()
    (dtu / "dtu" / "Cameras").rename(dtu / "dtu64" / "Cameras")
    for index in range(35):
        save_picture(dtu / "dtu64" / "scan105" / "image" / f"{index:08}.png")
    (scene,) = open_sets(dtu, ["dtu64"])
    assert scene.pictures.files[0].name == "00000033.png"
    scores = score(scene, dtu_prediction(scene, np.random.default_rng(0), 0.1, given=False))
    assert scores["auc30"] == 100.0
    assert not {"f1", "chamfer", "delta1"} & scores.keys()
    theirs = official("bench.datasets.dtu64").DTU64
    monkeypatch.setattr(theirs, "data_root", str(dtu / "dtu64"))
    monkeypatch.setattr(theirs, "camera_root", str(dtu / "dtu64" / "Cameras"))
    check_official(theirs(), "scan105", scene, half=0.5)


def test_the_same_hundred_frames_are_drawn():
    official("bench.evaluator")
    from addict import Dict
    from depth_anything_3.bench.evaluator import Evaluator

    evaluator = Evaluator.__new__(Evaluator)
    evaluator.max_frames = 100
    numbers = np.arange(257)
    data = Dict({"image_files": list(map(str, numbers)), "extrinsics": numbers, "intrinsics": numbers, "aux": {}})
    assert chosen(numbers.tolist()) == evaluator._sample_frames(data, "any").extrinsics.tolist()
    assert chosen(numbers[:99].tolist()) == numbers[:99].tolist()


def test_missing_data_is_told(tmp_path):
    with pytest.raises(ValueError, match="no data set nerf: name some of hiroom"):
        list(open_sets(tmp_path, ["nerf"]))
    with pytest.raises(FileNotFoundError, match="none of the folders"):
        list(open_sets(tmp_path))
    (tmp_path / "eth3d").mkdir()
    with pytest.raises(FileNotFoundError, match="unpack"):
        list(open_sets(tmp_path))
