import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lsbench import config
from lsbench.cli.hydra_errors import explain, is_usage, known_keys
from lsbench.errors import did_you_mean


@pytest.fixture(autouse=True)
def _schema():
    from lsbench.hydra_app import plugins

    plugins.register()


def raised(action):
    with pytest.raises(Exception) as error:
        action()
    return error.value


def test_any_exception_raised_by_omegaconf_is_a_usage_error():
    assert is_usage(raised(lambda: OmegaConf.create({"a": "${b}"}).a))
    assert is_usage(raised(lambda: OmegaConf.create(3.5)))
    assert is_usage(HydraException("x")) and is_usage(OmegaConfBaseException("x"))


def test_an_exception_from_elsewhere_is_not_a_usage_error():
    assert not is_usage(raised(lambda: {}["x"]))
    assert not is_usage(ValueError("never raised"))


def test_known_keys_follow_the_groups_that_were_chosen():
    assert {"alpha", "data", "model.hidden", "optim.momentum", "data.select"} <= set(known_keys([]))
    assert "model.width" not in known_keys([])
    assert "model.width" in known_keys(["model=resnet8", "model.widht=3"])


def test_a_key_is_never_its_own_suggestion():
    assert did_you_mean("alpha", ["alpha", "beta"]) == ""
    assert did_you_mean("alpah", ["alpha", "beta"]) == "; did you mean alpha?"


def test_an_error_without_text_gets_a_message():
    assert explain(ValueError(), []) == "Hydra refuses these settings (ValueError)"


def test_every_yaml_of_conf_composes_to_a_run_within_its_ranges():
    from hydra import compose, initialize_config_dir

    from lsbench import conf_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for group in ("data", "model", "method", "optim", "experiment"):
            choices = sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
            assert choices
            for choice in choices:
                run = config.to_run(compose("train", overrides=[f"{group}={choice}"]))
                if group in ("data", "optim", "method"):
                    assert getattr(run, group).name == choice
                elif group == "model":
                    assert run.model_name == choice
