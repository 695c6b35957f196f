"""Definitions of the terms in a sweep's report."""

DEFINITIONS = {
    "α": "smoothing mass. With the convention “uniform” the target is q = (1 − α)·onehot + α/K over K "
    "classes, and the loss is the cross entropy with q. “others” spreads α over the wrong classes only. "
    "“as_printed” is a common mistake whose targets sum to 1 − α/K, kept so that its effect can be "
    "measured.",
    "train accuracy": "(in the CSV files) with the labels trained on, noise included.",
    "NLL": "mean of −ln p(true class) on the test split, in nats, without smoothing.",
    "ECE": "Σ (n_bin/n)·|accuracy − mean confidence| over 15 equal-width bins of confidence. It is biased "
    "upwards, so it is shown with its floor.",
    "floor": "the mean ECE of a perfectly calibrated model with the run's own confidences (labels drawn "
    "from them; computed exactly). An ECE at its floor is not a sign of miscalibration.",
    "gap": "mean confidence − accuracy. Above 0 is over-confident, below 0 under-confident.",
    "T": "the temperature that minimises NLL on the calibrate split; logits are divided by it (Guo et al. "
    "2017), and “scaled” columns are test results after that. † marks a mean that includes a run whose "
    "calibrate split does not determine T; it was left at 1, and temperature_flag in runs.csv gives the "
    "reason.",
    "±, [low, high]": "half of a 95 % interval, and its ends. They hold for new images from the same source: "
    "seeds and test images are both random (crossed random effects, Satterthwaite's degrees of freedom). "
    "Where the contributions of single images are not known, they hold for new seeds on this test set. "
    "summary.csv has both, those for this test set in columns that end in _test_set. None at n = 1 or if "
    "the values do not vary.",
    "Δ": "mean difference, paired by seed: same split, initial weights and order of data. What smoothing "
    "does is the difference from the same method at α = 0.",
    "plain training": "no smoothing and no other treatment (except what all runs have) under the same "
    "conditions: data, model, label noise, optimiser, epochs, batch size, precision. If that was not run, "
    "it is α = 0 with otherwise equal settings.",
    "T alone": "the alternative to smoothing: the same cell without smoothing, after temperature scaling. "
    "“ECE − T alone” is the ECE of the smoothed model as trained minus that of T alone, paired by seed: "
    "above 0, scaling would have calibrated better.",
    "p (Holm)": "two-sided paired t-test of Δ = 0, adjusted over the comparisons of its table (Holm 1979). "
    "The comparisons of each kind and metric form a family, of all rows and not of the chosen ones alone.",
    "other way": "the number of single pairs of runs whose difference has the other sign than the mean: how "
    "often one seed would have said the opposite.",
    "verdicts": "“supported” or “refuted” if p (Holm) is below 0.05, better or worse; “equivalent” if the "
    "difference lies within a margin stated beforehand, even if it is not 0, by two one-sided t-tests "
    "(TOST, Schuirmann 1987) with a Holm correction of their own; else “inconclusive”, which is not "
    "evidence of equality. Below 8 seeds each is marked “exploratory”.",
    "chosen": "an α, and a method's strength if several were run, by mean NLL on the select split after "
    "temperature scaling. T is fitted on the calibrate split. The test split is used once, at the end, and "
    "influences neither. Of data without a test set each seed divides the images again, so an image that "
    "one seed tests on may be a select image of another.",
}
