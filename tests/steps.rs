//! Steps of an optimizer: what is honest is accepted, whatever its order of evaluation; what is not is rejected, with
//! the code and the count.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs
)]

#[allow(dead_code, reason = "each test binary uses a part")]
mod stepped;

use std::path::{Path, PathBuf};

use bp::digest::Digest;
use bp::step::judge::State;
use bp::step::{Options, Record, Refusal, Report, Verdict, judge};
use serde_json::{Value, json};
use stepped::{
    Adam, Draw, M_ORDERS, P_ORDERS, Param, Sgd, V_ORDERS, adam, adam_from, arith, bf16, f32_as_it_is,
    payload, record,
};

const ADAMW: Adam = Adam { lr: 1e-3, wd: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true };

fn report(record: &Value, payload: &[u8]) -> Report {
    try_report(record, payload, &Options::default()).unwrap()
}

fn try_report(record: &Value, payload: &[u8], options: &Options) -> Result<Report, Refusal> {
    judge(&Record::parse(record.to_string().as_bytes())?, payload, options)
}

/// What is broken, each with how often.
fn broken(report: &Report) -> Vec<String> {
    report.broken().map(|row| format!("{}:{}", row.rule.code, row.broken)).collect()
}

fn refusal(record: &Value, payload: &[u8]) -> String {
    try_report(record, payload, &Options::default()).unwrap_err().to_string()
}

/// A bounded report of one parameter.
fn bounded(optimizer: &Value, step: u64, param: &Param) -> Report {
    let params = std::slice::from_ref(param);
    report(&record(optimizer, &arith("bounded"), step, params), &payload(params))
}

#[test]
fn every_order_of_evaluation_is_accepted() {
    let mut draw = Draw(1);
    let settings = [
        ADAMW,
        Adam { lr: 0.0, ..ADAMW },
        Adam { wd: 0.0, ..ADAMW },
        Adam { decoupled: false, ..ADAMW },
        Adam { beta1: 0.0, beta2: 0.5, eps: 1e-3, ..ADAMW },
        Adam { lr: 0.3, beta1: 0.95, beta2: 0.98, ..ADAMW },
    ];
    for of in settings {
        for t in [1, 2, 7, 1000, 1 << 20] {
            for p in 0..P_ORDERS {
                let orders = [p, draw.below(M_ORDERS), draw.below(V_ORDERS)];
                let param = adam(&mut draw, 600, of, t, orders, f32_as_it_is);
                let report = bounded(&of.document(), t, &param);
                assert_eq!(broken(&report), Vec::<String>::new(), "{of:?} at {t} in order {orders:?}");
                assert_eq!(report.verdict, Verdict::Accepted);
            }
        }
    }
}

#[test]
fn bf16_is_accepted_and_says_how_little_it_sees() {
    let mut draw = Draw(2);
    for p in 0..P_ORDERS {
        let orders = [p, draw.below(M_ORDERS), draw.below(V_ORDERS)];
        let mut param = adam(&mut draw, 600, ADAMW, 7, orders, bf16);
        param.narrow = true;
        let report = bounded(&ADAMW.document(), 7, &param);
        assert_eq!(broken(&report), Vec::<String>::new(), "{orders:?}");
        assert!(report.informative < 0.5, "{}", report.informative);
    }
    let mut param = adam(&mut draw, 600, ADAMW, 7, [0; 3], bf16);
    param.narrow = true;
    let params = [param];
    let record = record(&ADAMW.document(), &arith("bounded"), 7, &params);
    let options = Options { informative_min: Some(0.9), ..Options::default() };
    assert_eq!(try_report(&record, &payload(&params), &options).unwrap().verdict, Verdict::Insufficient);
}

#[test]
fn sgd_in_every_form_is_accepted_and_replayed() {
    let mut draw = Draw(3);
    for (momentum, dampening, nesterov) in
        [(0.0, 0.0, false), (0.9, 0.0, false), (0.9, 0.1, false), (0.9, 0.0, true), (0.5, 1.0, false)]
    {
        for wd in [0.0, 0.01] {
            let of = Sgd { lr: 0.06, wd, momentum, dampening, nesterov };
            for (first, fused) in [(true, false), (true, true), (false, false), (false, true)] {
                let step = if first { 1 } else { 5 };
                let param = of.step(&mut draw, 700, first, fused);
                let report = bounded(&of.document(), step, &param);
                assert_eq!(
                    broken(&report),
                    Vec::<String>::new(),
                    "{momentum} {dampening} {nesterov} {wd} {first}"
                );
                if fused {
                    let params = [param];
                    let record = record(&of.document(), &arith("torch-cpu-fused"), step, &params);
                    let report = self::report(&record, &payload(&params));
                    assert_eq!(
                        broken(&report),
                        Vec::<String>::new(),
                        "{momentum} {dampening} {nesterov} {wd} {first}"
                    );
                    assert!(report.bitwise && report.verdict == Verdict::Accepted);
                }
            }
        }
    }
}

/// The bound of the parameter's rule, from the page and not from the judge: AdamW in F32.
fn bound(param: &Param, i: usize, t: u64) -> (f64, f64) {
    let of = |role| f64::from(param.of(role)[i]);
    let u = 2_f64.powi(-24);
    let (bc1, bc2) = (1.0 - 0.9_f64.powi(t as i32), 1.0 - 0.999_f64.powi(t as i32));
    let upd = 1e-3 / bc1 * of("m1") / ((of("v1") / bc2).sqrt() + 1e-8);
    let q = of("p0") * (1.0 - 1e-3 * 0.1);
    let exponent = (f64::from(param.of("p1")[i].abs().max(f32::MIN_POSITIVE))).log2().floor() as i32;
    (
        q - upd,
        2_f64.powi(exponent - 24)
            + (1.0 + 256.0 * u) * (10.0 * u * upd.abs() + 2.0 * u * q.abs())
            + 2_f64.powi(-147),
    )
}

#[test]
fn a_value_three_units_beyond_its_bound_is_rejected() {
    let mut draw = Draw(4);
    let honest = adam(&mut draw, 300, ADAMW, 7, [0; 3], f32_as_it_is);
    for _ in 0..60 {
        let i = draw.below(300) as usize;
        let (derived, within) = bound(&honest, i, 7);
        for away in [1.0, -1.0] {
            let mut param = honest.clone();
            let edge = (derived + away * within) as f32;
            let by = |k: i32| if (edge > 0.0) == (away > 0.0) { k } else { -k };
            let moved = f32::from_bits(edge.to_bits().wrapping_add_signed(by(3)));
            if moved.is_nan()
                || (moved > 0.0) != (edge > 0.0)
                || edge.abs() < 1e-30
                || edge.to_bits() >> 23 != (honest.of("p1")[i].to_bits() >> 23)
            {
                continue;
            }
            param.of_mut("p1")[i] = moved;
            assert_eq!(broken(&bounded(&ADAMW.document(), 7, &param)), ["STEP-P:1"], "value {i}");
            param.of_mut("p1")[i] = f32::from_bits(edge.to_bits().wrapping_add_signed(by(-1)));
            assert_eq!(broken(&bounded(&ADAMW.document(), 7, &param)), Vec::<String>::new(), "value {i}");
        }
    }
}

#[test]
fn wrong_settings_are_seen() {
    let mut draw = Draw(5);
    let param = adam(&mut draw, 3000, ADAMW, 7, [0; 3], f32_as_it_is);
    let codes = |of: Adam, step| {
        let report = bounded(&of.document(), step, &param);
        report.broken().map(|row| row.rule.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(ADAMW, 7), Vec::<&str>::new());
    assert_eq!(codes(Adam { lr: 1e-3 * (1.0 + 1e-6), ..ADAMW }, 7), ["STEP-P"]);
    assert_eq!(codes(Adam { wd: 0.0, ..ADAMW }, 7), ["STEP-P"]);
    assert_eq!(codes(Adam { decoupled: false, ..ADAMW }, 7), ["STEP-M", "STEP-V", "STEP-P"]);
    assert_eq!(codes(Adam { beta1: 0.9 + 1e-6, ..ADAMW }, 7), ["STEP-M", "STEP-P"]);
    assert_eq!(codes(Adam { beta2: 0.999 + 1e-7, ..ADAMW }, 7), ["STEP-V", "STEP-P"]);
    assert_eq!(codes(Adam { eps: 1.1e-8, ..ADAMW }, 7), ["STEP-P"]);
    assert_eq!(codes(ADAMW, 8), ["STEP-P"]);
}

#[test]
fn a_rate_that_is_off_fits_another() {
    let mut draw = Draw(6);
    let param = adam(&mut draw, 60_000, ADAMW, 7, [0; 3], f32_as_it_is);
    let of = Adam { lr: 1e-3 * (1.0 + 1e-5), ..ADAMW };
    let row = |report: &Report| report.rows.iter().find(|row| row.rule.code == "LR-FIT").unwrap().state;
    assert_eq!(row(&bounded(&ADAMW.document(), 7, &param)), State::Holds);
    assert_eq!(row(&bounded(&of.document(), 7, &param)), State::Warns);
}

#[test]
fn what_is_not_finite_never_holds() {
    let mut draw = Draw(7);
    let honest = adam(&mut draw, 100, ADAMW, 7, [0; 3], f32_as_it_is);
    for role in ["p0", "p1", "g", "m0", "m1", "v0", "v1"] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut param = honest.clone();
            param.of_mut(role)[5] = value;
            let report = bounded(&ADAMW.document(), 7, &param);
            assert!(report.broken().any(|row| row.rule.code == "NONFINITE"), "{role} {value}");
        }
    }
    let mut param = honest;
    param.of_mut("v0")[5] = -1e-3;
    assert!(broken(&bounded(&ADAMW.document(), 7, &param)).contains(&"NONFINITE:1".to_owned()));
}

#[test]
fn nothing_that_changed_is_not_a_pass() {
    let zeros = |role| (role, vec![0.0; 8]);
    let still =
        Param::new(vec![("p0", vec![1.0; 8]), ("p1", vec![1.0; 8]), zeros("g"), zeros("m1"), zeros("v1")]);
    let of = Adam { lr: 0.0, ..ADAMW };
    for profile in ["bounded", "torch-cpu-fused"] {
        let params = [still.clone()];
        let report = report(&record(&of.document(), &arith(profile), 1, &params), &payload(&params));
        assert_eq!((broken(&report), report.verdict), (vec![], Verdict::Insufficient), "{profile}");
    }
}

#[test]
fn digests_take_the_place_of_what_a_replay_derives() {
    let mut draw = Draw(8);
    let of = Sgd { lr: 0.06, wd: 0.01, momentum: 0.9, dampening: 0.0, nesterov: true };
    let whole = of.step(&mut draw, 70_000, false, true);
    let digest = |role| {
        let bytes: Vec<u8> = whole.of(role).iter().flat_map(|value| value.to_le_bytes()).collect();
        Digest::of(&bytes)
    };
    let mut short = whole.clone();
    short.tensors.retain(|(role, _)| !["p1", "b1"].contains(role));
    let params = [short];
    let mut honest = record(&of.document(), &arith("torch-cpu-fused"), 5, &params);
    honest["params"][0]["digests"] = json!({ "p1": digest("p1"), "b1": digest("b1") });
    let report = report(&honest, &payload(&params));
    assert_eq!((broken(&report), report.verdict), (vec![], Verdict::Accepted));
    let mut wrong = honest.clone();
    wrong["params"][0]["digests"]["p1"] = json!(digest("b1"));
    assert_eq!(broken(&self::report(&wrong, &payload(&params))), ["PAYLOAD:1"]);
    let bounded = Options { bounded: true, ..Options::default() };
    assert!(matches!(try_report(&honest, &payload(&params), &bounded), Err(Refusal::Payload { .. })));
    honest["params"][0]["digests"] = json!({ "b1": digest("b1") });
    assert_eq!(refusal(&honest, &payload(&params)), "step.safetensors: \"p1/w\" is missing");
}

#[test]
fn what_no_rule_derives_is_refused() {
    let mut draw = Draw(9);
    let params = [adam(&mut draw, 16, ADAMW, 7, [0; 3], f32_as_it_is)];
    let bytes = payload(&params);
    let honest = record(&ADAMW.document(), &arith("bounded"), 7, &params);
    assert_eq!(broken(&report(&honest, &bytes)), Vec::<String>::new());
    let group = "/optimizer/groups/0";
    for (at, value, reason) in [
        ("/format", json!("tensor-step.v2"), "/format: \"tensor-step.v2\" is not \"tensor-step.v1\""),
        (&format!("{group}/amsgrad"), json!(true), "amsgrad is not judged"),
        (&format!("{group}/maximize"), json!(true), "maximizing is not judged"),
        (&format!("{group}/beta1"), json!(1.0), "a beta lies in [0, 1)"),
        (&format!("{group}/eps"), json!(0.0), "eps is positive"),
        (&format!("{group}/lr"), json!(-1e-3), "rates and decays are not negative"),
        ("/optimizer/cls", json!("bitsandbytes.optim.AdamW8bit"), "is not judged"),
        ("/optimizer/cls", json!("torch.optim.SGD"), "is not judged"),
        ("/optimizer/kind", json!("lion"), "is not one of"),
        ("/arith/grad_scale", json!(65536.0), "still scaled"),
        ("/arith/profile", json!("cuda"), "is not one of"),
        ("/clip", json!({ "max_norm": 1.0, "norm_type": 1.0, "total_norm": 1.0 }), "only the Euclidean norm"),
        ("/params/0/dtype", json!("F16"), "is not one of"),
        ("/params/0/dtype", json!("BF16"), "is F32, and its parameter BF16"),
        ("/params/0/shape", json!([4, 4]), "has another shape"),
        ("/params/0/shape", json!([1_u64 << 40, 1_u64 << 40]), "more values than a file can hold"),
        ("/params/0/t", json!((1_u64 << 24) + 1), "is greater than 16777216"),
        ("/params/0/group", json!(1), "there are 1 groups"),
        ("/params/0/name", json!("x"), "belongs to no parameter"),
        ("/payload/file", json!("../step.safetensors"), "does not match"),
        ("/step", json!(0), "is less than 1"),
        ("/manifest", json!({ "count": 0 }), "more parameters are trained"),
        ("/extra", json!(1), "unknown property \"extra\""),
    ] {
        let mut record = honest.clone();
        match record.pointer_mut(at) {
            Some(place) => *place = value,
            None => record[&at[1..]] = value,
        }
        let said = refusal(&record, &bytes);
        assert!(said.contains(reason), "{at}: {said}");
    }
    let mut capturable = honest.clone();
    capturable["optimizer"]["groups"][0]["capturable"] = json!(true);
    assert!(refusal(&capturable, &bytes).contains("its scalars are float32"));
    let twice = honest.to_string().replacen("\"run\"", "\"run\":\"other\",\"run\"", 1);
    assert!(Record::parse(twice.as_bytes()).unwrap_err().to_string().contains("repeated key"));
    let mut tied = honest.clone();
    let param = tied["params"][0].clone();
    tied["params"].as_array_mut().unwrap().push(param);
    assert!(refusal(&tied, &bytes).contains("is named twice"));
}

#[test]
fn a_payload_that_breaks_its_format_is_refused_before_it_is_read() {
    let mut draw = Draw(10);
    let params = [adam(&mut draw, 16, ADAMW, 7, [0; 3], f32_as_it_is)];
    let bytes = payload(&params);
    let honest = record(&ADAMW.document(), &arith("bounded"), 7, &params);
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let with = |header: &str, data: &[u8]| {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    };
    let data = &bytes[8 + length..];
    let far = format!("[0,{}]", 1_u64 << 63);
    let mut trailing = data.to_vec();
    trailing.push(0);
    let swapped = {
        let mut entries: serde_json::Map<String, Value> = serde_json::from_str(&header).unwrap();
        let first = entries.shift_remove("g/w").unwrap();
        entries.insert("g/w".to_owned(), first);
        serde_json::to_string(&entries).unwrap()
    };
    for (file, reason) in [
        (with(&header.replace("[0,64]", "[0,60]"), data), "its shape needs another number"),
        (with(&header.replace("[64,128]", "[60,124]"), data), "overlaps the one before it"),
        (with(&header.replace("[0,64]", &far), data), "the data has 448 bytes"),
        (with(&header, &trailing), "the tensors cover 448 of 449 bytes"),
        (with(&header, &data[..447]), "the data has 447 bytes"),
        (with(&header.replace("\"g/w\":", "\"m0/w\":"), data), "repeated name"),
        (with(&header.replace("\"g/w\":", "\"b0/w\":"), data), "is missing"),
        (with(&header.replace("\"g/w\":", "\"q/w\":"), data), "belongs to no parameter"),
        (with(&swapped, data), "in another order"),
        (bytes[..7].to_vec(), "shorter than the length of a header"),
        ((1_u64 << 62).to_le_bytes().to_vec(), "the header states"),
    ] {
        let said = refusal(&honest, &file);
        assert!(said.contains(reason), "{said}");
    }
    let mut other = params.clone();
    other[0].of_mut("p1")[3] += 1.0;
    let report = report(&honest, &payload(&other));
    assert_eq!(broken(&report), ["PAYLOAD:2", "STEP-P:1"]);
}

/// Cut or changed anywhere, a payload is refused or broken, and never panics.
#[test]
fn no_change_of_a_payload_holds() {
    let mut draw = Draw(11);
    let params = [adam(&mut draw, 16, ADAMW, 7, [0; 3], f32_as_it_is)];
    let bytes = payload(&params);
    let honest = record(&ADAMW.document(), &arith("bounded"), 7, &params);
    for cut in 0..bytes.len() {
        assert!(try_report(&honest, &bytes[..cut], &Options::default()).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << draw.below(8);
        let judged = try_report(&honest, &changed, &Options::default());
        assert!(judged.is_err() || judged.unwrap().verdict == Verdict::Rejected, "changed at {at}");
    }
}

/// A kernel's scalar loop, over what a vector does not fill, fuses the other product of the second moment.
#[test]
fn both_loops_of_the_fused_kernel_are_replayed() {
    let mut draw = Draw(17);
    let of = Adam { beta2: 0.95, ..ADAMW };
    let (w1, w2, b2) = ((1.0 - of.beta1) as f32, (1.0 - of.beta2) as f32, of.beta2 as f32);
    let mut fill = |scale: f64| -> Vec<f32> { (0..500).map(|_| (draw.unit() * scale) as f32).collect() };
    let (p0, g, m0) = (fill(1.0), fill(1e-2), fill(1e-2));
    let v0: Vec<f32> = fill(1e-2).iter().map(|v| v * v).collect();
    let (bc1, bc2) = (1.0 - libm::pow(of.beta1, 7.0), 1.0 - libm::pow(of.beta2, 7.0));
    let (ss, sb) = ((-(of.lr / bc1)) as f32, bc2.sqrt() as f32);
    let mut param = adam_from([p0.clone(), g.clone(), m0.clone(), v0.clone()], of, 7, [0; 3], f32_as_it_is);
    for i in 0..500 {
        let m = w1.mul_add(g[i] - m0[i], m0[i]);
        let v = if i < 496 {
            (w2 * g[i]).mul_add(g[i], b2 * v0[i])
        } else {
            b2.mul_add(v0[i], (w2 * g[i]) * g[i])
        };
        let keep = (1.0 - of.lr * of.wd) as f32;
        let p = keep * p0[i] + (ss * m) / (v.sqrt() / sb + of.eps as f32);
        (param.of_mut("m1")[i], param.of_mut("v1")[i], param.of_mut("p1")[i]) = (m, v, p);
    }
    let judged = |param: &Param| {
        let params = std::slice::from_ref(param);
        broken(&report(&record(&of.document(), &arith("torch-cpu-fused"), 7, params), &payload(params)))
    };
    assert_eq!(judged(&param), Vec::<String>::new());
    for role in ["m1", "p1"] {
        let mut changed = param.clone();
        let value = &mut changed.of_mut(role)[9];
        *value = f32::from_bits(value.to_bits() + 1);
        assert!(judged(&changed)[0].starts_with("STEP-BITS:"), "{role}");
    }
}

/// Two steps that follow each other, the second from what the first left.
fn two() -> [(Value, Param); 2] {
    let mut draw = Draw(12);
    let first = adam(&mut draw, 200, ADAMW, 7, [0; 3], f32_as_it_is);
    let g: Vec<f32> = (0..200).map(|_| draw.value(1e-2)).collect();
    let [p, m, v] = ["p1", "m1", "v1"].map(|role| first.of(role).to_vec());
    let second = adam_from([p, g, m, v], ADAMW, 8, [0; 3], f32_as_it_is);
    let of =
        |step, param: &Param| record(&ADAMW.document(), &arith("bounded"), step, std::slice::from_ref(param));
    [(of(7, &first), first), (of(8, &second), second)]
}

/// What is broken between two steps.
fn linked(steps: &[(Value, Param); 2], demanded: bool) -> Vec<String> {
    let judged = steps.each_ref().map(|(record, param)| {
        (
            Record::parse(record.to_string().as_bytes()).unwrap(),
            report(record, &payload(std::slice::from_ref(param))),
        )
    });
    let [first, second] = &judged;
    let rows = bp::step::chain::link((&first.0, &first.1.leaves), (&second.0, &second.1.leaves), demanded);
    rows.iter()
        .filter(|row| row.state == State::Broken)
        .map(|row| format!("{}:{}", row.rule.code, row.broken))
        .collect()
}

#[test]
fn what_a_step_left_is_what_the_next_one_found() {
    let honest = two();
    assert_eq!(linked(&honest, true), Vec::<String>::new());
    for (role, code) in [("p0", "CHAIN-P:1"), ("m0", "CHAIN-M:1"), ("v0", "CHAIN-V:1")] {
        let mut changed = honest.clone();
        let value = &mut changed[1].1.of_mut(role)[17];
        *value = f32::from_bits(value.to_bits() + 1);
        assert_eq!(linked(&changed, true), [code]);
    }
    let mut missing = honest.clone();
    missing[1].0["step"] = json!(9);
    missing[1].0["params"][0]["t"] = json!(9);
    assert_eq!(linked(&missing, true), ["CHAIN-GAP:1"]);
    assert_eq!(linked(&missing, false), Vec::<String>::new());
    let [first, second] = honest.clone();
    assert_eq!(linked(&[second, first], false), ["CHAIN-GAP:1"]);
    let mut other = honest.clone();
    other[1].0["run"] = json!("other");
    assert_eq!(linked(&other, true), ["CHAIN-GAP:1"]);
    let mut thawed = honest.clone();
    thawed[1].0["frozen"] = json!({ "count": 1, "root0": Digest::of(b"x"), "root1": Digest::of(b"x") });
    assert_eq!(linked(&thawed, true), ["CHAIN-FROZEN:1"]);
    let schedule = |rates: &[f64]| {
        let rows: Vec<[f64; 1]> = rates.iter().map(|rate| [*rate]).collect();
        json!({ "kind": "constant", "warmup": 0, "total": 10, "base_lr": [1e-3], "lr_history": rows })
    };
    let mut rated = honest;
    rated[0].0["schedule"] = schedule(&[1e-3; 7]);
    rated[1].0["schedule"] = schedule(&[1e-3; 8]);
    assert_eq!(linked(&rated, true), Vec::<String>::new());
    rated[1].0["schedule"] = schedule(&[1e-3, 2e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3]);
    assert_eq!(linked(&rated, true), ["CHAIN-LR:1"]);
}

#[test]
fn rates_follow_their_schedule_at_its_edges() {
    let mut draw = Draw(13);
    let of = |kind: &str, warmup: u64, total: u64, rates: &[f64]| {
        let (step, lr) = (rates.len() as u64, *rates.last().unwrap());
        let settings = Adam { lr, ..ADAMW };
        let params = [adam(&mut draw, 20, settings, step, [0; 3], f32_as_it_is)];
        let mut record = record(&settings.document(), &arith("bounded"), step, &params);
        let rows: Vec<[f64; 1]> = rates.iter().map(|rate| [*rate]).collect();
        record["schedule"] =
            json!({ "kind": kind, "warmup": warmup, "total": total, "base_lr": [1.0], "lr_history": rows });
        broken(&report(&record, &payload(&params)))
    };
    let mut of = of;
    let none = Vec::<String>::new();
    assert_eq!(of("linear", 2, 4, &[0.0, 0.5, 1.0, 0.5, 0.0]), none);
    assert_eq!(of("linear", 0, 2, &[1.0, 0.5, 0.0, 0.0]), none);
    assert_eq!(of("constant", 2, 4, &[0.0, 0.5, 1.0, 1.0, 1.0]), none);
    assert_eq!(of("cosine", 0, 2, &[1.0, 0.5, 0.0]), none);
    assert_eq!(of("cosine", 3, 3, &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]), none);
    assert_eq!(of("linear", 2, 4, &[0.0, 0.5, 1.0, 0.5 + 1e-9]), ["SCHEDULE:1"]);
    assert_eq!(of("linear", 2, 4, &[0.5, 0.5, 1.0, 0.5]), ["SCHEDULE:1"]);
}

#[test]
fn clipping_is_derived_again() {
    let mut draw = Draw(14);
    let n = 500;
    let raw: Vec<f32> = (0..n).map(|_| (draw.unit() * 0.1) as f32).collect();
    let norm = raw.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt() as f32;
    let of = |max_norm: f64, total_norm: f64, scaled: bool| {
        let factor = (max_norm / (total_norm + 1e-6)).min(1.0) as f32;
        let g: Vec<f32> = raw.iter().map(|g| if scaled { g * factor } else { *g }).collect();
        let mut param =
            adam_from([vec![1.0; n], g, vec![0.1; n], vec![0.1; n]], ADAMW, 7, [0; 3], f32_as_it_is);
        param.tensors.push(("graw", raw.clone()));
        let params = [param];
        let mut record = record(&ADAMW.document(), &arith("bounded"), 7, &params);
        record["clip"] = json!({ "max_norm": max_norm, "norm_type": 2.0, "total_norm": total_norm });
        report(&record, &payload(&params)).broken().map(|row| row.rule.code).collect::<Vec<_>>()
    };
    let norm = f64::from(norm);
    assert_eq!(of(0.5, norm, true), Vec::<&str>::new());
    assert_eq!(of(norm * 2.0, norm, true), Vec::<&str>::new());
    assert_eq!(of(0.5, norm, false), ["CLIP-G"]);
    assert_eq!(of(norm * 2.0, norm / 3.0, true), ["CLIP-NORM"]);
    assert_eq!(of(0.5, norm * 1.01, true), ["CLIP-NORM"]);
}

#[test]
fn a_step_is_the_one_that_was_committed_to() {
    let [(record, param), _] = two();
    let bytes = payload(std::slice::from_ref(&param));
    let report = report(&record, &bytes);
    let parsed = |record: &Value| Record::parse(record.to_string().as_bytes()).unwrap();
    let root = bp::step::commit::root(&parsed(&record), &report.leaves);
    let state = |record: &Value| bp::step::commit::included(&parsed(record), &report.leaves).state;
    assert_eq!(state(&record), State::NotApplicable);
    let mut committed = record.clone();
    committed["commit"] = json!({ "root": root, "index": 0, "proof": [] });
    assert_eq!(state(&committed), State::Holds);
    committed["commit"]["index"] = json!(1);
    assert_eq!(state(&committed), State::Broken);
    committed["commit"]["index"] = json!(0);
    committed["batch"] = json!(Digest::of(b"another batch"));
    assert_eq!(state(&committed), State::Broken);
}

/// Largest and median ratios, by parameter and rule, are those of an independent check in `NumPy`.
#[test]
fn ratios_are_those_of_numpy() {
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        std::process::Command::new(program).args(arguments).output()
    };
    // The system's own may have it where the first on the path has not.
    let has_numpy = |program: &&str| {
        run(program, &["-c".as_ref(), "import numpy".as_ref()]).is_ok_and(|output| output.status.success())
    };
    let Some(program) = ["python3", "/usr/bin/python3"].into_iter().find(has_numpy) else {
        // Where all is judged, what is skipped is not judged.
        assert!(std::env::var_os("BP_NUMPY").is_none(), "BP_NUMPY is set, and no python3 has numpy");
        eprintln!("SKIPPED: no python3 with numpy, so no ratio was compared with an independent check");
        return;
    };
    let python = |arguments: &[&std::ffi::OsStr]| run(program, arguments);
    let place = tempfile::tempdir().unwrap();
    let mut draw = Draw(16);
    let mut cases = Vec::new();
    for (number, of) in [ADAMW, Adam { decoupled: false, ..ADAMW }, Adam { wd: 0.0, lr: 0.1, ..ADAMW }]
        .into_iter()
        .enumerate()
    {
        let params = [adam(&mut draw, 2500, of, 7, [number as u64, 0, 0], f32_as_it_is)];
        cases.push((record(&of.document(), &arith("bounded"), 7, &params), params));
    }
    for nesterov in [false, true] {
        let of = Sgd { lr: 0.06, wd: 0.01, momentum: 0.9, dampening: 0.0, nesterov };
        let params = [of.step(&mut draw, 2500, false, true)];
        cases.push((record(&of.document(), &arith("bounded"), 7, &params), params));
    }
    let mut compared = 0;
    let mut files: Vec<PathBuf> = Vec::new();
    for (number, (record, params)) in cases.iter().enumerate() {
        let folder = place.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("step.json"), record.to_string()).unwrap();
        std::fs::write(folder.join("step.safetensors"), payload(params)).unwrap();
        files.push(folder.join("step.json"));
    }
    for name in
        ["full-adamw-fused/step-000006", "full-sgd-nesterov/step-000006", "full-adamw-foreach/step-000006"]
    {
        files.extend(samples().map(|folder| folder.join(format!("honest/{name}.json"))));
    }
    for path in files {
        let record = Record::parse(&std::fs::read(&path).unwrap()).unwrap();
        let bytes = std::fs::read(path.with_file_name(&record.payload.file)).unwrap();
        let options = Options { bounded: true, ..Options::default() };
        let report = judge(&record, bytes.as_slice(), &options).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stepped/ratios.py");
        let output = python(&[script.as_os_str(), path.as_os_str()]).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let ratios: Value = serde_json::from_slice(&output.stdout).unwrap();
        for tensor in &report.tensors {
            for (rule, max, median) in &tensor.stages {
                let stated = &ratios[&tensor.param][rule.code];
                for (ours, theirs) in [(max, &stated[0]), (median, &stated[1])] {
                    let theirs = theirs.as_f64().unwrap();
                    assert!((ours - theirs).abs() <= 1e-9, "{} {}: {ours} {theirs}", tensor.param, rule.code);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

/// `expected.json` of the shared samples: codes and counts. Without the shared data it says so and does nothing.
#[test]
fn the_samples_are_judged_as_expected() {
    let Some(folder) = samples() else { return };
    let read = |path: &Path| std::fs::read(path).unwrap();
    let expected: Value = serde_json::from_slice(&read(&folder.join("expected.json"))).unwrap();
    for (name, codes) in expected.as_object().unwrap() {
        let (name, payloads) = name.split_once(" --payload-dir ").unwrap_or((name, ""));
        let path = folder.join(format!("{name}.json"));
        let record = Record::parse(&read(&path)).unwrap();
        let folder =
            if payloads.is_empty() { path.parent().unwrap().to_owned() } else { folder.join(payloads) };
        let report =
            judge(&record, read(&folder.join(&record.payload.file)).as_slice(), &Options::default()).unwrap();
        let mut codes: Vec<&str> =
            codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
        let mut found: Vec<String> = report
            .broken()
            .map(|row| {
                if codes.contains(&row.rule.code) {
                    row.rule.code.to_owned()
                } else {
                    format!("{}:{}", row.rule.code, row.broken)
                }
            })
            .collect();
        codes.sort_unstable();
        found.sort();
        assert_eq!(found, codes, "{name}");
        let verdict = if codes.is_empty() { Verdict::Accepted } else { Verdict::Rejected };
        assert_eq!(report.verdict, verdict, "{name}");
    }
}

fn samples() -> Option<PathBuf> {
    let shared = std::env::var_os("BP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let folder = shared.join("steps");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no samples at {}; set BP_SHARED_DATA", folder.display());
    None
}
