//! Gradients of modules that are shown: what is honest is accepted, in every type and order; what is not is rejected, with
//! its code.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::unwrap_used,
    missing_docs
)]

#[allow(dead_code, reason = "each test binary uses a part")]
mod stepped;

use std::collections::BTreeSet;

use bp::step::judge::{Row, State};
use bp::step::whole::{self, Shown as AtHand};
use bp::step::{Options, Record, Report, Statistical, Verdict};
use stepped::modules::{Kept, Matrix, Micro, Shown};
use stepped::{Draw, bf16};

fn report(shown: &Shown) -> Report {
    let (record, main, linear) = shown.written();
    let record = Record::parse(record.to_string().as_bytes()).unwrap();
    let at_hand = AtHand {
        payload: main.as_slice(),
        linear: Some(linear.as_slice()),
        beacon: Some(b"beacon"),
        commits: None,
    };
    whole::judge(&record, &at_hand, &Options::default()).unwrap()
}

/// The rules that are broken.
fn broken(shown: &Shown) -> Vec<&'static str> {
    let report = report(shown);
    let broken: Vec<&str> = report.broken().map(|row| row.rule.code).collect();
    assert_eq!(report.verdict == Verdict::Rejected, !broken.is_empty());
    broken
}

fn row<'a>(report: &'a Report, code: &str) -> &'a Row {
    report.rows.iter().find(|row| row.rule.code == code).unwrap()
}

const NONE: [&str; 0] = [];

#[test]
fn honest_gradients_are_accepted_in_every_type_order_and_class() {
    let mut draw = Draw(31);
    for kept in Kept::ALL {
        for order in 0..4 {
            for profile in ["bounded", "torch-cpu-fused"] {
                for sides in [[12, 7, 5], [1, 9, 9], [200, 16, 3], [5, 1, 40]] {
                    let mut shown = Shown::linear(&mut draw, kept, order, sides);
                    shown.profile = profile;
                    let report = report(&shown);
                    assert_eq!(broken(&shown), NONE, "{kept:?} {order} {profile} {sides:?}");
                    assert_eq!(report.verdict, Verdict::Accepted);
                    assert_eq!(report.bitwise, profile != "bounded" && kept != Kept::Bf16);
                    for code in ["LIN-LINK", "LIN-ACC", "LIN-Y", "LIN-DW", "LIN-STAT"] {
                        assert_eq!(
                            row(&report, code).state,
                            State::Holds,
                            "{code} {kept:?} {order} {sides:?}"
                        );
                    }
                }
                let shown = Shown { profile, ..Shown::adapter(&mut draw, kept, order) };
                assert_eq!(broken(&shown), NONE, "an adapter, {kept:?} {order} {profile}");
                assert_eq!(row(&report(&shown), "LIN-DY").state, State::Holds);
            }
        }
    }
}

#[test]
fn outputs_with_a_bias_are_derived_where_it_is_shown() {
    let mut draw = Draw(44);
    for kept in Kept::ALL {
        for order in 0..4 {
            for rounded_before in [false, true] {
                let mut shown = Shown::linear(&mut draw, kept, order, [24, 6, 5]);
                shown.add_bias(&mut draw, rounded_before);
                let report = report(&shown);
                assert_eq!(broken(&shown), NONE, "{kept:?} {order} {rounded_before}");
                assert_eq!(row(&report, "LIN-Y").state, State::Holds);
                let mut other = shown.clone();
                nudge(&mut other.modules[0].bias[2]);
                assert_eq!(broken(&other), ["LIN-Y"], "{kept:?} {order} {rounded_before}");
                nudge(&mut shown.modules[0].micros[1].y.values[17]);
                assert_eq!(broken(&shown), ["LIN-Y"], "{kept:?} {order} {rounded_before}");
            }
        }
    }
    // A bias that is no parameter of the record cannot show, and that is said.
    let (mut record, main, linear) = Shown::linear(&mut draw, Kept::F32, 0, [24, 6, 5]).written();
    record["linear"][0]["bias"] = serde_json::json!(true);
    let record = Record::parse(record.to_string().as_bytes()).unwrap();
    let at_hand = AtHand::alone(main.as_slice(), Some(linear.as_slice()));
    let report = whole::judge(&record, &at_hand, &Options::default()).unwrap();
    let outputs = row(&report, "LIN-Y");
    assert_eq!(outputs.state, State::Unseen);
    assert_eq!(outputs.note.as_deref(), Some("\"l\" has a bias that the record does not show"));
}

/// What a forger does to a module, and the rules that see it.
type Attack = (&'static str, fn(&mut Shown), &'static [&'static str]);

/// A change that no rounding of these types explains.
fn nudge(value: &mut f32) {
    *value = bf16(*value + if *value > 0.0 { 0.5 } else { -0.5 });
}

fn again(shown: &mut Shown) {
    let kept = shown.kept;
    shown.modules.iter_mut().for_each(|module| module.accumulate(kept));
}

const ATTACKS: &[Attack] = &[
    ("entry-of-dw", |shown| nudge(&mut shown.modules[0].micros[1].dw.values[11]), &["LIN-ACC", "LIN-DW"]),
    (
        "entry-of-dw-and-of-the-sum",
        |shown| {
            nudge(&mut shown.modules[0].micros[1].dw.values[11]);
            again(shown);
        },
        &["LIN-DW"],
    ),
    ("entry-of-the-gradient", |shown| nudge(&mut shown.modules[0].gradient[3]), &["LIN-ACC"]),
    ("entry-of-x", |shown| nudge(&mut shown.modules[0].micros[2].x.values[5]), &["LIN-Y", "LIN-DW"]),
    ("entry-of-y", |shown| nudge(&mut shown.modules[0].micros[0].y.values[8]), &["LIN-Y"]),
    ("entry-of-dy", |shown| nudge(&mut shown.modules[0].micros[0].dy.values[8]), &["LIN-DW"]),
    (
        "gradient-transposed",
        |shown| {
            for micro in &mut shown.modules[0].micros {
                micro.dw = micro.dw.transposed();
            }
            again(shown);
        },
        &["LIN-DW"],
    ),
    (
        "output-of-the-transposed-weight",
        |shown| {
            let (kept, w) = (shown.kept, shown.modules[0].w.clone());
            for micro in &mut shown.modules[0].micros {
                micro.y = micro.x.times(&w, 0, kept);
            }
        },
        &["LIN-Y"],
    ),
    (
        "gradient-scaled-twice",
        |shown| {
            for micro in &mut shown.modules[0].micros {
                micro.dw = micro.dw.map(|value| value * 2.0);
            }
            again(shown);
        },
        &["LIN-DW"],
    ),
    (
        "mean-in-place-of-the-sum",
        |shown| shown.modules[0].gradient.iter_mut().for_each(|value| *value *= 0.25),
        &["LIN-ACC"],
    ),
    (
        "activation-of-another-micro-batch",
        |shown| shown.modules[0].micros[1].x = shown.modules[0].micros[0].x.clone(),
        &["LIN-Y", "LIN-DW"],
    ),
    (
        "activation-of-another-micro-batch-and-its-output",
        |shown| {
            let (before, micros) = (shown.modules[0].micros[0].clone(), &mut shown.modules[0].micros);
            (micros[1].x, micros[1].y) = (before.x, before.y);
        },
        &["LIN-DW"],
    ),
    (
        "micro-batch-dropped-from-the-sum",
        |shown| {
            let mut short = shown.clone();
            short.modules[0].micros.pop();
            again(&mut short);
            shown.modules[0].gradient.clone_from(&short.modules[0].gradient);
        },
        &["LIN-ACC"],
    ),
    (
        "micro-batch-dropped-from-the-record",
        |shown| {
            shown.modules[0].micros.pop();
        },
        &["LIN-ACC"],
    ),
    (
        "micro-batch-summed-twice",
        |shown| {
            let last = shown.modules[0].micros[2].clone();
            let mut twice = shown.clone();
            twice.modules[0].micros.push(last);
            again(&mut twice);
            shown.modules[0].gradient.clone_from(&twice.modules[0].gradient);
        },
        &["LIN-ACC"],
    ),
    (
        "activation-that-is-infinite",
        |shown| shown.modules[0].micros[0].x.values[4] = f32::INFINITY,
        &["LIN-Y", "LIN-DW"],
    ),
    ("dy-that-is-no-number", |shown| shown.modules[0].micros[0].dy.values[4] = f32::NAN, &["LIN-DW"]),
];

#[test]
fn what_is_forged_of_a_module_is_rejected_with_its_code() {
    for kept in Kept::ALL {
        for profile in ["bounded", "torch-cpu-fused"] {
            for (name, attack, codes) in ATTACKS {
                let mut shown = Shown { profile, ..Shown::linear(&mut Draw(32), kept, 1, [24, 6, 6]) };
                attack(&mut shown);
                assert_eq!(broken(&shown), *codes, "{name}, {kept:?}, {profile}");
            }
        }
    }
}

/// Another weight than the parameter before the step.
#[test]
fn a_weight_that_is_not_the_parameter_is_rejected() {
    for kept in Kept::ALL {
        let shown = Shown::linear(&mut Draw(33), kept, 0, [24, 6, 6]);
        let (mut record, main, _) = shown.written();
        let mut other = shown;
        nudge(&mut other.modules[0].w.values[3]);
        let linear = other.linear_payload();
        record["linear_payload"]["sha256"] = serde_json::json!(bp::digest::Digest::of(&linear));
        let record = Record::parse(record.to_string().as_bytes()).unwrap();
        let at_hand = AtHand::alone(main.as_slice(), Some(linear.as_slice()));
        let report = whole::judge(&record, &at_hand, &Options::default()).unwrap();
        let broken: Vec<&str> = report.broken().map(|row| row.rule.code).collect();
        assert_eq!(broken, ["LIN-LINK", "LIN-Y"], "{kept:?}");
    }
}

const ON_ADAPTERS: &[Attack] = &[
    (
        "entry-of-db-and-of-the-sum",
        |shown| {
            nudge(&mut shown.modules[1].micros[1].dw.values[4]);
            again(shown);
        },
        &["LIN-DW"],
    ),
    ("entry-of-da", |shown| nudge(&mut shown.modules[0].micros[0].dw.values[4]), &["LIN-ACC", "LIN-DW"]),
    (
        "gradient-into-a-and-what-follows",
        |shown| {
            let (kept, of) = (shown.kept, &mut shown.modules[0]);
            let mut dy = of.micros[0].dy.clone();
            nudge(&mut dy.values[2]);
            of.micros[0] = Micro::new(of.micros[0].x.clone(), dy, &of.w, 0, kept);
            again(shown);
        },
        &["LIN-DY"],
    ),
    ("scaled-twice", |shown| shown.back(4.0), &["LIN-DY"]),
    ("not-scaled", |shown| shown.back(1.0), &["LIN-DY"]),
    (
        "output-of-a-from-another-micro-batch",
        |shown| {
            let (kept, x) = (shown.kept, shown.modules[0].micros[0].y.clone());
            let of = &mut shown.modules[1];
            let Micro { dy, out, .. } = of.micros[1].clone();
            of.micros[1] = Micro { out, ..Micro::new(x, dy, &of.w, 0, kept) };
            again(shown);
        },
        &["LIN-LINK"],
    ),
    (
        "one-micro-batch-dropped-from-b",
        |shown| {
            shown.modules[1].micros.pop();
        },
        &["LIN-ACC"],
    ),
];

#[test]
fn what_is_forged_of_an_adapter_is_rejected_with_its_code() {
    for kept in Kept::ALL {
        for (name, attack, codes) in ON_ADAPTERS {
            let mut shown = Shown::adapter(&mut Draw(34), kept, 0);
            attack(&mut shown);
            assert_eq!(broken(&shown), *codes, "{name}, {kept:?}");
        }
        // Every entry of both gradients, one at a time.
        let honest = Shown::adapter(&mut Draw(35), kept, 0);
        for module in 0..2 {
            for entry in 0..honest.modules[module].gradient.len() {
                let mut shown = honest.clone();
                nudge(&mut shown.modules[module].micros[0].dw.values[entry]);
                again(&mut shown);
                assert_eq!(broken(&shown), ["LIN-DW"], "{kept:?} {module} {entry}");
            }
        }
    }
}

#[test]
fn an_adapter_whose_scale_cannot_show_says_so() {
    let mut shown = Shown::adapter(&mut Draw(36), Kept::F32, 0);
    shown.modules[1].micros.iter_mut().for_each(|micro| micro.out = None);
    let report = report(&shown);
    assert_eq!(report.verdict, Verdict::Accepted);
    assert!(
        row(&report, "LIN-DY")
            .note
            .as_ref()
            .unwrap()
            .contains("scale of \"q.lora_B.default\" could not show")
    );
}

/// A sum in BF16 is rounded after every part; one rounded at its end is another.
#[test]
fn a_sum_that_is_rounded_once_is_not_the_accumulation() {
    let mut shown = Shown::linear(&mut Draw(37), Kept::Bf16, 0, [24, 6, 6]);
    let parts: Vec<Vec<f32>> = shown.modules[0].micros.iter().map(|micro| micro.dw.values.clone()).collect();
    let once = (0..36).map(|i| bf16(parts.iter().map(|part| part[i]).sum::<f32>())).collect();
    assert_ne!(shown.modules[0].gradient, once);
    shown.modules[0].gradient = once;
    assert_eq!(broken(&shown), ["LIN-ACC"]);
    // In another order of micro-batches it is another too.
    let mut shown = Shown::linear(&mut Draw(38), Kept::F32, 0, [24, 6, 6]);
    let mut other = shown.clone();
    other.modules[0].micros.reverse();
    again(&mut other);
    assert_ne!(shown.modules[0].gradient, other.modules[0].gradient);
    shown.modules[0].gradient.clone_from(&other.modules[0].gradient);
    assert_eq!(broken(&shown), ["LIN-ACC"]);
}

/// The first part may be taken as it is, or added to zero: where it is a negative zero the two differ.
#[test]
fn a_sum_may_begin_from_zero_or_from_its_first_part() {
    let mut shown = Shown::linear(&mut Draw(39), Kept::F32, 0, [3, 4, 4]);
    shown.modules[0].micros.truncate(1);
    let micro = &mut shown.modules[0].micros[0];
    // A column of zeros: an output that nothing came back to.
    for row in micro.dy.values.chunks_exact_mut(4) {
        row[2] = 0.0;
    }
    let dw = micro.dy.transposed().times(&micro.x, 0, Kept::F32);
    micro.dw = Matrix {
        values: dw.values.iter().map(|value| if *value == 0.0 { -0.0 } else { *value }).collect(),
        ..dw
    };
    again(&mut shown);
    assert_eq!(shown.modules[0].gradient[8].to_bits(), (-0.0_f32).to_bits());
    assert_eq!(broken(&shown), NONE);
    shown.modules[0].gradient.iter_mut().for_each(|value| *value += 0.0);
    assert_eq!(shown.modules[0].gradient[8].to_bits(), 0);
    assert_eq!(broken(&shown), NONE);
    // From positive zeros no negative one follows.
    shown.modules[0].micros[0].dw.values.iter_mut().for_each(|value| *value += 0.0);
    shown.modules[0].gradient[8] = -0.0;
    assert_eq!(broken(&shown), ["LIN-ACC"]);
}

/// Products so small that they underflow differ from their sum by more than what is relative to it.
#[test]
fn gradients_that_underflow_are_accepted() {
    let mut draw = Draw(40);
    for kept in Kept::ALL {
        for order in 0..4 {
            let mut shown = Shown::linear(&mut draw, kept, order, [24, 6, 6]);
            let w = shown.modules[0].w.clone();
            for micro in &mut shown.modules[0].micros {
                let dy = micro.dy.map(|value| kept.round(value * 1e-42));
                *micro = Micro::new(micro.x.clone(), dy, &w, order, kept);
            }
            again(&mut shown);
            assert_eq!(broken(&shown), NONE, "{kept:?} {order}");
        }
    }
}

/// A weight that is too large for every entry.
fn large(kept: Kept) -> Shown {
    Shown::over(&mut Draw(41), kept, 1, [4, 600, 440], 1)
}

#[test]
fn a_large_weight_is_compared_by_blocks_and_places_and_says_so() {
    for kept in Kept::ALL {
        let honest = large(kept);
        let report = report(&honest);
        assert_eq!(broken(&honest), NONE, "{kept:?}");
        let said = row(&report, "LIN-DW").note.clone().unwrap();
        assert_eq!(
            said,
            "of 1 modules by whole rows under 8 draws of signs, blocks of 32 columns under 4, blocks of 8 columns under \
             2, and at 1024 places drawn for each micro-batch"
        );
        // Rows under 8 signs, 19 blocks under 4, 75 under 2, and the places.
        assert_eq!(row(&report, "LIN-DW").compared, 440 * (8 + 19 * 4 + 75 * 2) + 1024);
        assert!(row(&report, "LIN-Y").note.as_ref().unwrap().contains("8 draws"));
        let mut one = honest.clone();
        nudge(&mut one.modules[0].micros[0].dw.values[77_777]);
        again(&mut one);
        assert_eq!(broken(&one), ["LIN-DW"], "{kept:?}");
    }
}

/// Two changes in one block that cancel under one draw of signs are seen under another.
#[test]
fn changes_that_cancel_under_one_draw_are_seen_under_another() {
    let honest = large(Kept::F32);
    let mut draw = Draw(42);
    for pair in 0..6 {
        let mut shown = honest.clone();
        let at = (draw.below(440 * 75) * 8) as usize;
        let values = &mut shown.modules[0].micros[0].dw.values;
        let by = if draw.below(2) == 0 { 0.25 } else { -0.25 };
        values[at] += 0.25;
        values[at + 1 + draw.below(7) as usize] += by;
        again(&mut shown);
        assert_eq!(broken(&shown), ["LIN-DW"], "pair {pair}");
    }
}

/// Changes of single entries that the bound of a block covers are seen at the places that are drawn.
#[test]
fn changes_within_the_bound_of_a_block_are_seen_at_places() {
    let mut shown = large(Kept::F32);
    let Micro { x, dy, dw, .. } = &mut shown.modules[0].micros[0];
    let mut changed = BTreeSet::new();
    for at in (0..dw.values.len()).step_by(41) {
        let (i, j) = (at / 600, at % 600);
        let sizes = (0..4).map(|n| f64::from((dy.values[n * 440 + i] * x.values[n * 600 + j]).abs()));
        // Twice what one entry may be off by; a block of eight may be off by some eight times.
        dw.values[at] += (2.0 * 6.0 * 2_f64.powi(-24) * sizes.sum::<f64>()) as f32;
        changed.insert(at as u64);
    }
    again(&mut shown);
    let report = report(&shown);
    let row = row(&report, "LIN-DW");
    assert_eq!(row.state, State::Broken);
    let at = row.at.as_ref().unwrap();
    assert!(changed.contains(&at.value.index), "{at:?}");
}

/// Cut or changed anywhere, the payload of modules is refused or broken, and never panics.
#[test]
fn no_change_of_the_payload_of_modules_holds() {
    let (record, main, linear) = Shown::linear(&mut Draw(43), Kept::F32, 0, [2, 3, 2]).written();
    let record = Record::parse(record.to_string().as_bytes()).unwrap();
    let judged = |linear: &[u8]| {
        whole::judge(&record, &AtHand::alone(main.as_slice(), Some(linear)), &Options::default())
    };
    assert_eq!(judged(&linear).unwrap().verdict, Verdict::Accepted);
    for cut in (0..linear.len()).step_by(3) {
        assert!(judged(&linear[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..linear.len() {
        let mut changed = linear.clone();
        changed[at] ^= 1 << (at % 8);
        let judged = judged(&changed);
        assert!(judged.is_err() || judged.unwrap().verdict == Verdict::Rejected, "changed at {at}");
    }
}

#[test]
fn without_a_beacon_the_verdict_says_what_draws_follow_from() {
    let (record, main, linear) = large(Kept::F32).written();
    let record = Record::parse(record.to_string().as_bytes()).unwrap();
    let at_hand = AtHand::alone(main.as_slice(), Some(linear.as_slice()));
    let options = Options { statistical: Statistical::Off, ..Options::default() };
    let report = whole::judge(&record, &at_hand, &options).unwrap();
    for code in ["LIN-DW", "LIN-Y"] {
        let note = row(&report, code).note.as_ref().unwrap();
        assert!(note.contains("the draws follow from the payload alone"), "{code}: {note}");
    }
}
