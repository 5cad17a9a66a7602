//! CPython's random numbers, statistics, and measures of probabilities.

use qwgpu::metrics::comparison::{equivalence, holm, mcnemar, paired_bootstrap, paired_shares};
use qwgpu::metrics::correlation::{pearson, ranks, spearman};
use qwgpu::metrics::distributions::{Z, chi_square_upper, student_two_sided, student_upper};
use qwgpu::metrics::information::{Position, Prediction, distance, divergence};
use qwgpu::metrics::random::Random;
use qwgpu::metrics::statistics::{
    bootstrap_standard_error, mean, pooled_standard_error, quantile, standard_deviation, standard_error,
};
use serde_json::{Value, json};

use super::{array, close, float, floats, golden, refused, text};

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

#[test]
fn random_numbers_are_those_of_cpython() {
    let golden = golden("draws");
    for expected in array(&golden["seeds"]) {
        let random = || Random::new(text(&expected["seed"]).parse().unwrap());
        let mut one = random();
        assert_eq!(expected["random"], json!([(); 5].map(|()| (one.random() * 2f64.powi(53)).to_string())));
        let mut one = random();
        let bits = [0, 1, 7, 31, 32, 33, 53, 63, 64].map(|bits| one.bits(bits).to_string());
        assert_eq!(expected["bits"], json!(bits));
        let mut one = random();
        let below = [1, 2, 3, 10, 1 << 20, (1 << 32) + 1, (1 << 63) + 1].map(|n| one.below(n).to_string());
        assert_eq!(expected["below"], json!(below));
        let mut one = random();
        for (sample, expected) in array(&golden["samples"]).iter().zip(array(&expected["sample"])) {
            assert_eq!(*expected, json!(one.sample(count(&sample[0]), count(&sample[1])).unwrap()), "{sample}");
        }
        let mut one = random();
        assert_eq!(expected["choices"], json!([one.choices(10, 8), one.choices(7473, 4)].concat()));
        let mut one = random();
        assert_eq!(expected["after_2000"], json!((0..2001).map(|_| one.bits(32)).last().unwrap().to_string()));
    }
}

/// Numbers of CPython that are written here, so that fixtures made again cannot move them.
#[test]
fn published_draws() {
    let mut random = Random::new(1234);
    assert_eq!(random.sample(100, 5).unwrap(), [99, 56, 14, 0, 11]);
    assert_eq!(random.sample(100, 5).unwrap(), [74, 4, 85, 88, 10]);
    let mut random = Random::new(1234);
    assert_eq!(random.sample(7473, 5).unwrap(), [6374, 3610, 957, 61, 742]);
    assert_eq!(random.sample(7473, 5).unwrap(), [7462, 6610, 4769, 286, 5501]);
    let mut random = Random::new(0);
    assert_eq!([(); 6].map(|()| random.below(356_317)), [201_979, 220_500, 21_225, 135_746, 268_055, 254_766]);
    assert_eq!(Random::new(0).choices(10, 8), [8, 7, 4, 2, 5, 4, 7, 3]);
    refused(random.sample(4, 5), "sample: expected at most 4, found 5");
}

#[test]
fn means_and_errors_are_those_of_the_harness() {
    let golden = golden("numbers");
    for sample in array(&golden["samples"]) {
        let values = floats(&sample[0]);
        close(mean(&values).unwrap(), float(&sample[1]), "mean");
        close(standard_deviation(&values).unwrap(), float(&sample[2]), "deviation");
        close(standard_error(&values).unwrap(), float(&sample[3]), "error");
    }
    for group in array(&golden["groups"]) {
        let parts: Vec<(f64, u64)> =
            array(&group[0]).iter().map(|part| (float(&part[0]), part[1].as_u64().unwrap())).collect();
        close(pooled_standard_error(&parts).unwrap(), float(&group[1]), "group");
    }
    for found in array(&golden["quantiles"]["found"]) {
        close(
            quantile(&floats(&golden["quantiles"]["values"]), float(&found[0])).unwrap(),
            float(&found[1]),
            "quantile",
        );
    }
}

#[test]
fn bootstrap_is_that_of_the_harness() {
    let golden = golden("numbers");
    let items: Vec<Vec<f64>> = array(&golden["bootstrap"]["items"]).iter().map(floats).collect();
    let ratio = |drawn: &[usize]| {
        let sum = |side: usize| drawn.iter().map(|index| items[*index][side]).sum::<f64>();
        sum(0) / sum(1)
    };
    for case in array(&golden["bootstrap"]["errors"]) {
        let error = bootstrap_standard_error(items.len(), count(&case[0]), ratio).unwrap();
        close(error, float(&case[1]), "bootstrap");
    }
    refused(bootstrap_standard_error(0, 100, |_| 0.0), "bootstrap: expected documents");
    refused(bootstrap_standard_error(5, 1, |_| 0.0), "at least two iterations");
    refused(bootstrap_standard_error(5, 100, |_| f64::NAN), "NaN");
}

#[test]
fn too_few_values_and_nan_are_refused() {
    refused(mean(&[]), "at least 1 values, found 0");
    refused(standard_error(&[1.0]), "at least 2 values, found 1");
    refused(mean(&[1.0, f64::NAN]), "NaN as value 1");
    refused(standard_error(&[1.0, f64::INFINITY]), "inf as value 1");
    refused(pooled_standard_error(&[]), "at least 1");
    refused(pooled_standard_error(&[(0.1, 1), (0.1, 1)]), "more documents than parts");
    refused(pooled_standard_error(&[(0.1, 0), (0.1, 9)]), "part 0");
    refused(quantile(&[1.0], 1.5), "share");
    refused(pearson(&[1.0, 2.0], &[1.0, 2.0]), "at least 3");
    refused(pearson(&[1.0, 2.0, 3.0], &[1.0, 2.0]), "3 and 2");
    refused(pearson(&[1.0, 2.0, 3.0], &[0.1, 0.1, 0.1]), "values that differ");
    refused(spearman(&[1.0, 2.0, f64::NAN], &[1.0, 2.0, 3.0]), "NaN");
    refused(equivalence(&[1.0], 1.0), "at least 2");
    refused(equivalence(&[1.0, 2.0], f64::NAN), "margin");
    refused(holm(&[0.1, f64::NAN]), "NaN");
    refused(paired_bootstrap(1, 1000, 0, |_| 0.0), "at least two documents");
    refused(distance(&[]), "at least 1");
}

#[test]
fn correlations_are_those_of_scipy() {
    for case in array(&golden("numbers")["correlations"]) {
        let (x, y) = (floats(&case["x"]), floats(&case["y"]));
        for (exact, found, expected) in
            [(false, pearson(&x, &y), &case["pearson"]), (x.len() <= 9, spearman(&x, &y), &case["spearman"])]
        {
            let found = found.unwrap();
            assert!((found.r - float(&expected[0])).abs() < 1e-14, "{case}: {}", found.r);
            if exact {
                continue;
            }
            // Near |r| = 1 the last digit of r moves p and the interval by more.
            let tolerance = if found.r.abs() > 0.999_999 { 1e-6 } else { 1e-10 * float(&expected[1]).max(1e-3) };
            assert!((found.p - float(&expected[1])).abs() < tolerance, "{case}: {}", found.p);
        }
        let interval = pearson(&x, &y).unwrap().interval;
        // scipy's has no width where |r| is 1; ours is absent.
        let whole = float(&case["pearson"][0]).abs() == 1.0;
        assert_eq!(interval.is_some(), case["interval"].is_array() && !whole);
        if let Some((low, high)) = interval {
            assert!((low - float(&case["interval"][0])).abs() < 1e-9, "{case}: {low}");
            assert!((high - float(&case["interval"][1])).abs() < 1e-9, "{case}: {high}");
        }
    }
    assert_eq!(ranks(&[3.0, 1.0, 3.0, 3.0, 0.0]).unwrap(), [4.0, 2.0, 4.0, 4.0, 1.0]);
    let (x, y) = ([8.0, 8.1, 8.4, 9.3, 15.0], [58.2, 58.0, 57.1, 52.0, 31.0]);
    assert!((pearson(&x, &y).unwrap().r + 0.998602).abs() < 1e-6);
    assert!((pearson(&x.map(f64::ln), &y).unwrap().r + 0.999473).abs() < 1e-6);
}

#[test]
fn rank_correlations_of_few_are_exact() {
    // By counting all orders in Python:
    // sum(abs(rho(x, w)) >= abs(rho(x, y)) - 1e-12 for w in itertools.permutations(y)) / math.factorial(len(y)).
    // scipy's permutation_test doubles one side instead, which differs where values are equal.
    let p = |x: &[f64], y: &[f64]| spearman(x, y).unwrap().p;
    assert_eq!(p(&[8.0, 8.1, 8.4, 9.3, 15.0], &[58.2, 58.0, 57.1, 52.0, 31.0]), 2.0 / 120.0);
    assert_eq!(p(&[1.0, 2.0, 2.0, 3.0, 5.0, 5.0, 5.0], &[2.0, 1.0, 4.0, 4.0, 9.0, 9.0, 3.0]), 600.0 / 5040.0);
    assert_eq!(p(&[1.0, 2.0, 4.0], &[1.0, 3.0, 2.0]), 1.0);
    assert_eq!(p(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0, 8.0]), 2.0 / 24.0);
    let nine: Vec<f64> = (0..9).map(f64::from).collect();
    assert_eq!(p(&nine, &nine), 2.0 / 362_880.0);
    // From ten on by Student's t.
    let ten: Vec<f64> = (0..10).map(f64::from).collect();
    assert!(p(&ten, &ten) < 1e-9);
    for line in [spearman(&nine, &nine), pearson(&nine, &nine), spearman(&[1.0, 2.0, 5.0, 9.0], &[8.0, 7.0, 2.0, 1.0])]
    {
        assert_eq!(line.unwrap().interval, None);
    }
}

#[test]
fn paired_shares_are_those_of_bonett_and_price() {
    // By hand: 4/50 and 2/50, so -0.04 ± 1.96·√((0.12 - 0.0016)/50) = -0.04 ± 1.959964 · 0.0486621.
    let (low, high) = paired_shares(3, 1, 48);
    assert!((low + 0.13537596388715).abs() < 1e-12 && (high - 0.05537596388715).abs() < 1e-12, "{low} to {high}");
    let (low, high) = paired_shares(0, 0, 100);
    assert!((high - 0.02717458479117).abs() < 1e-12 && low == -high, "{low} to {high}");
}

#[test]
fn comparisons_are_those_of_statsmodels() {
    let golden = golden("numbers");
    for case in array(&golden["mcnemar"]) {
        close(mcnemar(case[0].as_u64().unwrap(), case[1].as_u64().unwrap()), float(&case[2]), &case.to_string());
    }
    assert!((mcnemar(12, 4) - 0.0768).abs() < 5e-5);
    for family in array(&golden["holm"]) {
        let found = holm(&floats(&family[0])).unwrap();
        assert_eq!(found.len(), array(&family[1]).len());
        found.iter().zip(floats(&family[1])).for_each(|(found, expected)| close(*found, expected, "Holm"));
    }
    for case in array(&golden["tost"]) {
        let (found, expected) = (equivalence(&floats(&case[0]), float(&case[1])).unwrap(), float(&case[2]));
        assert!((found - expected).abs() < 1e-11 * expected.max(1e-3), "{found}, expected {expected}");
    }
    assert_eq!(equivalence(&[0.5; 4], 1.0).unwrap(), 0.0);
    assert_eq!(equivalence(&[-1.5; 4], 1.0).unwrap(), 1.0);
}

#[test]
fn paired_bootstrap_is_reproducible() {
    let golden = &golden("numbers")["paired"];
    let (a, b) = (floats(&golden["a"]), floats(&golden["b"]));
    let difference = |drawn: &[usize]| {
        drawn.iter().map(|index| a[*index] - b[*index]).fold(0.0, |sum, value| sum + value) / drawn.len() as f64
    };
    for case in array(&golden["found"]) {
        let found = paired_bootstrap(a.len(), count(&case[0]), case[1].as_u64().unwrap(), difference).unwrap();
        for (found, index) in [(found.difference, 2), (found.low, 3), (found.high, 4), (found.p, 5)] {
            close(found, float(&case[index]), "paired bootstrap");
        }
    }
    let equal = paired_bootstrap(5, 1000, u64::MAX, |_| 0.0).unwrap();
    assert_eq!((equal.low, equal.high, equal.p), (0.0, 0.0, 1.0));
}

#[test]
fn distributions_are_those_of_scipy() {
    let golden = golden("numbers");
    let near = |found: f64, expected: f64, tolerance: f64, case: &Value| {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{case}: {found}");
    };
    for case in array(&golden["student"]) {
        near(student_two_sided(float(&case[0]), float(&case[1])), float(&case[2]), 1e-10, case);
        near(student_upper(float(&case[0]), float(&case[1])), float(&case[3]), 1e-10, case);
    }
    for case in array(&golden["chi"]) {
        near(chi_square_upper(float(&case[0])), float(&case[1]), 1e-12, case);
    }
    let quantiles = array(&golden["normal"]);
    let case = quantiles.iter().find(|case| float(&case[0]) == 0.975).unwrap();
    near(Z, float(&case[1]), 1e-15, case);
}

#[test]
fn divergence_is_a_lower_bound_that_the_rest_mass_completes() {
    let golden = golden("information");
    for case in array(&golden["cases"]) {
        let (p, q, rest) = (floats(&case["p"]), floats(&case["q"]), floats(&case["rest"]));
        let reference = Prediction { log_probs: &p, rest: rest[0] };
        let found = divergence(reference, Prediction { log_probs: &q, rest: rest[1] }).unwrap();
        assert!((found - float(&case["divergence"])).abs() < 1e-14, "{found}, expected {}", case["divergence"]);
        assert!(found <= float(&case["whole"]) + 1e-14);
    }
    let half = 0.5f64.ln();
    let coin = Prediction { log_probs: &[half, half], rest: 0.0 };
    let sure = Prediction { log_probs: &[0.0, f64::NEG_INFINITY], rest: 0.0 };
    close(divergence(sure, coin).unwrap(), 2f64.ln(), "one bit");
    assert_eq!(divergence(coin, sure).unwrap(), f64::INFINITY);
    refused(divergence(coin, Prediction { log_probs: &[half], rest: 0.5 }), "same tokens");
    refused(divergence(coin, Prediction { log_probs: &[half, f64::NAN], rest: 0.0 }), "sum to 1");
    refused(divergence(Prediction { log_probs: &[half, half], rest: 0.2 }, coin), "sum to 1");
    refused(divergence(Prediction { log_probs: &[half, half], rest: -1e-5 }, coin), "sum to 1");
}

#[test]
fn distances_are_those_of_numpy() {
    let golden = golden("information");
    let [divergences, differences] = [0, 1].map(|side| floats(&golden["positions"][side]));
    let positions: Vec<Position> = divergences
        .iter()
        .zip(differences)
        .enumerate()
        .map(|(at, (&divergence, difference))| Position { divergence, same_top: at % 4 != 0, difference })
        .collect();
    let found = distance(&positions).unwrap();
    let expected = floats(&golden["summary"]);
    for (found, expected) in [found.mean, found.quantile_999, found.rms_difference].into_iter().zip(expected) {
        close(found, expected, "distance");
    }
    assert_eq!((found.positions, found.same_top), (60, 0.75));
}
