"""Published worked examples of statistical process control: data and results, each with its source."""

from __future__ import annotations

# Montgomery, Introduction to Statistical Quality Control, 2nd ed. (1991), pp. 206–213: inside diameters of piston
# rings in mm, the 25 samples of phase I; as in R package qcc, data set `pistonrings`. Later editions have other values
# in sample 21, so that only the second edition's results belong to these.
PISTON_RINGS = (
    (74.030, 74.002, 74.019, 73.992, 74.008),
    (73.995, 73.992, 74.001, 74.011, 74.004),
    (73.988, 74.024, 74.021, 74.005, 74.002),
    (74.002, 73.996, 73.993, 74.015, 74.009),
    (73.992, 74.007, 74.015, 73.989, 74.014),
    (74.009, 73.994, 73.997, 73.985, 73.993),
    (73.995, 74.006, 73.994, 74.000, 74.005),
    (73.985, 74.003, 73.993, 74.015, 73.988),
    (74.008, 73.995, 74.009, 74.005, 74.004),
    (73.998, 74.000, 73.990, 74.007, 73.995),
    (73.994, 73.998, 73.994, 73.995, 73.990),
    (74.004, 74.000, 74.007, 74.000, 73.996),
    (73.983, 74.002, 73.998, 73.997, 74.012),
    (74.006, 73.967, 73.994, 74.000, 73.984),
    (74.012, 74.014, 73.998, 73.999, 74.007),
    (74.000, 73.984, 74.005, 73.998, 73.996),
    (73.994, 74.012, 73.986, 74.005, 74.007),
    (74.006, 74.010, 74.018, 74.003, 74.000),
    (73.984, 74.002, 74.003, 74.005, 73.997),
    (74.000, 74.010, 74.013, 74.020, 74.003),
    (73.988, 74.001, 74.009, 74.005, 73.996),
    (74.004, 73.999, 73.990, 74.006, 74.009),
    (74.010, 73.989, 73.990, 74.009, 74.014),
    (74.015, 74.008, 73.993, 74.000, 74.010),
    (73.982, 73.984, 73.995, 74.017, 74.013),
)
# qcc(diameter[1:25,], type = "xbar") and type = "R"; process.capability(spec.limits = c(73.95, 74.05)), and one-sided
PISTON_CENTRE, PISTON_SIGMA, PISTON_MEAN_RANGE = 74.00118, 0.009785039, 0.02276
PISTON_LIMITS, PISTON_RANGE_UPPER = (73.98805, 74.0143), 0.04812533
PISTON_SPECIFICATION = (73.95, 74.05)
PISTON_CP, PISTON_CPL, PISTON_CPU, PISTON_CPK = 1.703, 1.743, 1.663, 1.663

# NIST/SEMATECH e-Handbook of Statistical Methods 6.3.2.2, flow rates of ten batches
FLOW_RATES = (49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1)
FLOW_MOVING_RANGES = (2.0, 2.3, 1.4, 3.5, 3.4, 1.4, 0.2, 1.2, 1.5)
FLOW_CENTRE, FLOW_MEAN_RANGE, FLOW_LIMITS = 50.81, 1.8778, (45.8159, 55.8041)

# Montgomery, 2nd ed., p. 242, viscosity; qcc(x, type = "xbar.one")
VISCOSITY = (33.75, 33.05, 34, 33.81, 33.46, 34.02, 33.68, 33.27, 33.49, 33.20, 33.62, 33.00, 33.54, 33.12, 33.84)
VISCOSITY_CENTRE, VISCOSITY_SIGMA, VISCOSITY_LIMITS = 33.52333, 0.4261651, (32.24484, 34.80183)

# NIST/SEMATECH e-Handbook 6.3.3.2 (30 wafers of 50 chips), p̄ = 0.2313; the same counts are Montgomery's orange juice
# cans (2nd ed., pp. 152–155; R package qcc, data set `orangejuice`), where samples 15 and 23 are beyond the limits and,
# for assignable causes, left out of the revised ones
# fmt: off
NONCONFORMING = (
    12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6,
)
# fmt: on
SAMPLE_SIZE = 50
PROPORTION, PROPORTION_LIMITS, PROPORTION_BEYOND = 0.2313333, (0.05242755, 0.4102391), (14, 22)
REVISED_PROPORTION, REVISED_LIMITS, REVISED_BEYOND = 0.215, (0.04070284, 0.3892972), (20,)

# Factors of X̄-R charts by subgroup size: A2, D3, D4; Montgomery, appendix VI; NIST/SEMATECH e-Handbook 6.3.2.1
FACTORS = {
    2: (1.880, 0, 3.267),
    3: (1.023, 0, 2.574),
    4: (0.729, 0, 2.282),
    5: (0.577, 0, 2.114),
    6: (0.483, 0, 2.004),
    7: (0.419, 0.076, 1.924),
    8: (0.373, 0.136, 1.864),
    9: (0.337, 0.184, 1.816),
    10: (0.308, 0.223, 1.777),
    12: (0.266, 0.283, 1.717),
    15: (0.223, 0.347, 1.653),
    20: (0.180, 0.415, 1.585),
    25: (0.153, 0.459, 1.541),
}

# NIST StRD, univariate summary statistics, Michelson's speed of light (Michelso.dat): certified mean and standard
# deviation of all values
# fmt: off
SPEED_OF_LIGHT = (
    299.85, 299.74, 299.90, 300.07, 299.93, 299.85, 299.95, 299.98, 299.98, 299.88,
    300.00, 299.98, 299.93, 299.65, 299.76, 299.81, 300.00, 300.00, 299.96, 299.96,
    299.96, 299.94, 299.96, 299.94, 299.88, 299.80, 299.85, 299.88, 299.90, 299.84,
    299.83, 299.79, 299.81, 299.88, 299.88, 299.83, 299.80, 299.79, 299.76, 299.80,
    299.88, 299.88, 299.88, 299.86, 299.72, 299.72, 299.62, 299.86, 299.97, 299.95,
    299.88, 299.91, 299.85, 299.87, 299.84, 299.84, 299.85, 299.84, 299.84, 299.84,
    299.89, 299.81, 299.81, 299.82, 299.80, 299.77, 299.76, 299.74, 299.75, 299.76,
    299.91, 299.92, 299.89, 299.86, 299.88, 299.72, 299.84, 299.85, 299.85, 299.78,
    299.89, 299.84, 299.78, 299.81, 299.76, 299.81, 299.79, 299.81, 299.82, 299.85,
    299.87, 299.87, 299.81, 299.74, 299.81, 299.94, 299.95, 299.80, 299.81, 299.87,
)
# fmt: on
SPEED_MEAN, SPEED_DEVIATION = 299.8524, 0.0790105478190518
