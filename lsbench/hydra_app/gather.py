"""Which runs the jobs of a multirun were, brought home from whichever process they ran in."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from lsbench.hydra_app.session import MULTIRUN


class GatherRuns(Callback):
    """Launchers take a copy of this to where their jobs run. Each copy adds its jobs to one file, beside
    multirun.yaml: what a job returns is seen by the sweeper alone.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        HydraConfig.instance().set_config(config)  # the folder may ask for ${hydra:runtime.cwd}
        self.path = Path(config.hydra.sweep.dir).absolute() / "runs.jsonl"
        with suppress(OSError):  # what cannot be written is said with more words later
            self.path.unlink()
        MULTIRUN.gathered = self.path

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        # a job that went wrong has no run, and one that is no multirun's has no path
        if MULTIRUN.latest and hasattr(self, "path"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(MULTIRUN.latest) + "\n")
