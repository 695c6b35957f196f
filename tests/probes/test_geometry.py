import numpy as np
import pytest
import torch
from sklearn.metrics import calinski_harabasz_score
from torch import nn

from lsbench.errors import UsageError
from lsbench.probes import geometry, load_trained_model, run_probe
from lsbench.probes.geometry import basis, penultimate, project, templates, within_between

CPU = torch.device("cpu")


def clusters(rows=200, size=7, classes=4):
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, rows)
    centres = random.normal(0, 2, (classes, size))
    return torch.tensor(centres[labels] + random.normal(0, 1, (rows, size))), torch.tensor(labels)


def test_the_ratio_is_the_inverse_of_calinski_and_harabaszs_index():
    points, labels = clusters()
    rows, classes = 200, 4
    expected = (rows - classes) / (classes - 1) / calinski_harabasz_score(points.numpy(), labels.numpy())
    assert within_between(points, labels) == pytest.approx(expected, rel=1e-12)


def test_the_ratio_of_two_pairs_of_points():
    """Means 0 and 4 on the first axis, each point at distance 1 from its mean: 4·1² over 4·2²."""
    points = torch.tensor([[0.0, 1], [0, -1], [4, 1], [4, -1]])
    assert within_between(points, torch.tensor([0, 0, 7, 7])) == 0.25


def test_the_ratio_is_invariant_to_scale_translation_and_rotation():
    points, labels = clusters()
    turned = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64)).Q
    assert within_between(3 * points @ turned - 5, labels) == pytest.approx(within_between(points, labels))


def test_undefined_ratios():
    alike, labels = torch.ones(4, 2), torch.tensor([0, 0, 1, 1])
    assert np.isnan(within_between(alike, labels))
    assert within_between(torch.tensor([[0.0], [2], [0], [2]]), labels) == np.inf


@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_the_last_layer_maps_the_penultimate_activations_to_the_logits(model, store, tmp_path):
    trained = load_trained_model(tmp_path, store(model, epochs=1), CPU)
    pixels, _ = trained.sample("train", 1000)
    activations, head = penultimate(trained, pixels)
    assert activations.shape == (66, 16) and activations.min() >= 0 and activations.std() > 0
    assert torch.allclose(head(activations), trained.forward(pixels), atol=1e-12)
    assert not any(module._forward_hooks for module in trained.network.modules())


def test_a_network_without_a_last_linear_is_refused(store, tmp_path):
    trained = load_trained_model(tmp_path, store(), CPU)
    trained.network.layers.append(nn.Softmax(1))
    with pytest.raises(UsageError, match="not a Linear"):
        penultimate(trained, trained.sample("test", 5)[0])
    assert not any(module._forward_hooks for module in trained.network.modules())


def test_the_plane_contains_the_templates_and_its_axes_are_orthonormal():
    points = torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    axes = basis(points)
    assert torch.allclose(axes.T @ axes, torch.eye(2, dtype=torch.float64), atol=1e-12)
    flat = points @ axes
    assert np.allclose(torch.pdist(flat), torch.pdist(points))  # distances in the plane are preserved
    first, second, third = flat - flat[0]
    assert first.tolist() == [0, 0] and second[0] > 0 and abs(second[1]) < 1e-12 and third[1] > 0


def test_templates_include_the_bias_and_activations_a_one(store, tmp_path):
    """Template times activation is the logit, as in the paper."""
    trained = load_trained_model(tmp_path, store(), CPU)
    activations, head = penultimate(trained, trained.sample("test", 5)[0])
    logits = geometry._with_one(activations, head) @ templates(head).T
    assert torch.allclose(logits, head(activations), atol=1e-12)
    bare = nn.Linear(4, 3, bias=False)
    assert templates(bare).shape == (3, 4) and geometry._with_one(torch.ones(2, 4), bare).shape == (2, 4)


def test_a_projection_has_rows_of_three_classes_in_train_and_test(store, tmp_path):
    trained = load_trained_model(tmp_path, store(), CPU)
    projection = project(trained, [2, 0, 1], most=6)
    assert list(projection.classes.items()) == [(2, "c"), (0, "a"), (1, "b")]
    assert projection.labels["train"].tolist() == [2] * 6 + [0] * 6 + [1] * 6
    assert {split: points.shape for split, points in projection.points.items()} == {
        "train": (18, 2),
        "test": (len(projection.labels["test"]), 2),
    }
    whole = project(trained, [2, 0, 1], most=1000)
    pixels, labels = trained.sample("test", 1000)
    order = torch.cat([(labels == number).nonzero()[:, 0] for number in (2, 0, 1)])
    activations, head = penultimate(trained, pixels)
    rows = templates(head)
    # with three classes, differences of logits depend only on the plane
    across = geometry._with_one(activations, head)[order] @ (rows[0] - rows[2])
    assert torch.allclose(whole.points["test"][:, 0] * (rows[0] - rows[2]).norm(), across, atol=1e-9)


def test_differences_of_logits_depend_only_on_the_plane_of_all_templates(store, tmp_path):
    """Activations outside it change distances, but not predictions."""
    run_id = store(epochs=1)
    values = run_probe(tmp_path, run_id, "geometry")
    trained = load_trained_model(tmp_path, run_id, CPU)
    activations, head = penultimate(trained, trained.sample("test", 1000)[0])
    labels = trained.sample("test", 1000)[1]
    logits = head(activations)
    flat = geometry._with_one(activations, head) @ basis(templates(head))
    assert flat.shape == (14, 2)
    solved = torch.linalg.lstsq(torch.cat([flat, torch.ones(14, 1)], 1), logits - logits[:, :1])
    assert torch.allclose(
        torch.cat([flat, torch.ones(14, 1)], 1) @ solved.solution, logits - logits[:, :1], atol=1e-9
    )
    assert values["within_between"] == pytest.approx(within_between(activations, labels))
    assert values["within_between_plane"] == pytest.approx(within_between(flat, labels))
    assert values["within_between_plane"] < values["within_between"]
