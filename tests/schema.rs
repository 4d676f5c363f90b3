//! The formats: what each version of each document admits, and where exactly anything else breaks.

#![allow(clippy::unwrap_used, reason = "a test's own documents are as it wrote them")]

use std::collections::BTreeSet;
use std::path::Path;

use bp::receipt::version::{ReceiptVersion, TraceVersion};
use bp::schema::{self, MAX_VIOLATIONS, Schema, validate};
use serde_json::{Value, json};

fn receipt(version: &str) -> Schema {
    Schema::Receipt(version.parse().unwrap())
}

fn trace(version: &str) -> Schema {
    Schema::FrameworkTrace(format!("framework-trace.v{version}").parse().unwrap())
}

/// The places and keywords that a document breaks, as one text each.
fn broken(schema: Schema, document: &Value) -> Vec<String> {
    let violations = validate(schema, document).err().unwrap_or_default();
    violations.iter().map(|violation| format!("{} {}", violation.at, violation.keyword)).collect()
}

fn hidden_signal() -> Value {
    json!({
        "downstream_contributions":
            [{ "from": "o1", "downstream_signal": 1, "via_weight": "w2", "weight_value": 1, "value": 1 }],
        "summation_order": ["o1"], "backpropagated_sum": 1, "activation_derivative": 1,
        "product_order": "left_to_right", "signal_value": 1
    })
}

fn output_signal() -> Value {
    let factors =
        json!([{ "name": "out_minus_target", "value": 0.5 }, { "name": "slope", "value": 2, "from": "o1" }]);
    json!({ "factors": factors, "product_order": "left_to_right", "signal_value": 1 })
}

fn update(parameter: &str) -> Value {
    let factors = json!([{ "name": "signal", "value": 1 }, { "name": "out", "value": 1 }]);
    json!({
        "parameter_id": parameter, "kind": "weight", "weight_before": 1, "gradient": 1, "update": 0.5,
        "weight_after": 0.5,
        "optimizer": { "name": "sgd", "learning_rate": 0.5, "factors": factors, "product_order": "left_to_right" }
    })
}

/// A step of a network with one unit per layer: what a receipt and a framework trace have in common.
fn step() -> Value {
    json!({
        "topology": {
            "layers": ["input", "hidden", "output"], "input_size": 1, "hidden_size": 1, "output_size": 1,
            "unit_order": { "input": ["i1"], "hidden": ["h1"], "output": ["o1"] },
            "parameter_order": ["w1", "w2"],
            "parameters": [
                { "id": "w1", "role": "input_to_hidden_weight", "from_unit": "i1", "to_unit": "h1" },
                { "id": "w2", "role": "hidden_to_output_weight", "from_unit": "h1", "to_unit": "o1" }
            ],
            "activation_hidden": "sigmoid", "activation_output": "sigmoid", "loss": "half_squared_error",
            "bias_sharing": "per_layer"
        },
        "learning_rate": 0.5,
        "inputs": { "i1": 1 }, "targets": { "o1": 1 },
        "parameters_before": { "w1": 1, "w2": 1 },
        "forward": { "h1": { "net": 1, "out": 1 }, "o1": { "net": 1, "out": 1 } },
        "loss": { "per_output": { "o1": 0 }, "total": 0 },
        "backward": {
            "output_error_signals": { "o1": output_signal() }, "hidden_error_signals": { "h1": hidden_signal() }
        },
        "updates": [update("w1"), update("w2")],
        "parameters_after": { "w1": 0.5, "w2": 0.5 }
    })
}

fn with(mut document: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members are an object") };
    document.as_object_mut().unwrap().extend(members);
    document
}

fn receipt_head(version: &str) -> Value {
    json!({
        "schema_version": version, "fixture": "by-hand", "step": 1,
        "fixture_status": {
            "authoring_state": "hand_derived", "verification_state": "pending_engine_reproduction", "canonical": false
        },
        "numeric_policy": {
            "number_encoding": "decimal", "precision_significant_digits": 9, "rounding": "round_half_to_even",
            "tolerance": 1e-9
        },
        "bias_policy": { "mode": "constant", "updated_in_step": false }
    })
}

fn minimal_receipt(version: &str) -> Value {
    if version != "0.1.0" {
        return with(step(), receipt_head(version));
    }
    let weights: Value =
        (1..=8).map(|n| (format!("w{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let parameters = with(weights, json!({ "b1": 1, "b2": 1 }));
    let unit = json!({ "net": 1, "out": 1 });
    let fixed = json!({
        "topology": {
            "layers": ["input", "hidden", "output"], "input_size": 2, "hidden_size": 2, "output_size": 2,
            "activation": "sigmoid", "loss": "half_squared_error"
        },
        "inputs": { "i1": 1, "i2": 1 }, "targets": { "o1": 1, "o2": 1 },
        "parameters_before": parameters, "parameters_after": parameters,
        "forward": { "h1": unit, "h2": unit, "o1": unit, "o2": unit },
        "loss": { "per_output": { "o1": 0, "o2": 0 }, "total": 0 },
        "backward": {
            "output_error_signals": { "o1": output_signal(), "o2": output_signal() },
            "hidden_error_signals": { "h1": hidden_signal(), "h2": hidden_signal() }
        }
    });
    with(with(step(), receipt_head(version)), fixed)
}

fn minimal_trace(version: &str) -> Value {
    let head = json!({
        "format": format!("framework-trace.v{version}"),
        "source_framework":
            { "name": "pytorch", "version": "2.5.0", "extractor": { "name": "hand_authored", "version": "1" } }
    });
    with(step(), head)
}

/// The document with the member at `pointer` set, or removed for `null`.
fn changed(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = &key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) if value.is_null() => {
            drop(members.shift_remove(key).expect("there to remove"));
        }
        Value::Object(members) => drop(members.insert(key.clone(), value)),
        Value::Array(elements) => elements[key.parse::<usize>().unwrap()] = value,
        other => panic!("no members in {other}"),
    }
    document
}

const VERSIONS: [&str; 8] = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0"];

#[test]
fn a_minimal_document_of_every_version_holds_and_only_under_its_version() {
    for version in VERSIONS {
        assert_eq!(validate(receipt(version), &minimal_receipt(version)), Ok(()), "{version}");
        assert_eq!(validate(trace(version), &minimal_trace(version)), Ok(()), "{version}");
        for other in
            VERSIONS.into_iter().filter(|other| *other != version && version != "0.1.0" && *other != "0.1.0")
        {
            assert_eq!(broken(receipt(other), &minimal_receipt(version)), ["/schema_version const"]);
            assert_eq!(broken(trace(other), &minimal_trace(version)), ["/format const"]);
        }
    }
}

#[test]
fn every_required_member_of_a_receipt_is_required() {
    for version in VERSIONS {
        let document = minimal_receipt(version);
        for key in document.as_object().unwrap().keys() {
            let without = changed(document.clone(), &format!("/{key}"), Value::Null);
            assert_eq!(broken(receipt(version), &without), [" required"], "{version} without {key}");
        }
    }
}

#[test]
fn receipts_break_where_they_are_changed() {
    let batch = || json!({ "size": 1, "sample_order": ["s1"], "reduction": "mean" });
    let adam = || json!({ "name": "adam", "learning_rate": 0.1, "beta1": 0.9, "beta2": 0.9, "epsilon": 1e-8, "t": 1 });
    let momentum =
        |more: Value| with(json!({ "name": "sgd_momentum", "learning_rate": 0.1, "momentum": 0.9 }), more);
    let digest = format!("sha256:{}", "0".repeat(64));
    let party = || json!({ "kind": "framework", "identity": "pytorch" });
    let tolerance = || json!({ "atol": 1e-9, "rtol": 1e-6 });
    let attestor =
        || json!({ "computed_by": party(), "verified_by": party(), "differential_tolerance": tolerance() });

    #[rustfmt::skip]
    let table: Vec<(&str, &str, Value, &[&str])> = vec![
        // Any version: closed blocks, types, constants.
        ("0.1.0", "/surprise", json!(1), &["/surprise additionalProperties"]),
        ("0.4.0", "/surprise", json!(1), &["/surprise additionalProperties"]),
        ("0.4.0", "/a~1b", json!(1), &["/a~1b additionalProperties"]),
        ("0.4.0", "/inputs/a~1~0b", json!("1"), &["/inputs/a~1~0b type"]),
        ("0.4.0", "/forward/h1/extra", json!(1), &["/forward/h1/extra additionalProperties"]),
        ("0.4.0", "/forward/h1/net", Value::Null, &["/forward/h1 required"]),
        ("0.4.0", "/inputs/i1", json!("1"), &["/inputs/i1 type"]),
        ("0.4.0", "/step", json!(1.0), &[]),
        ("0.4.0", "/step", json!(1.5), &["/step type"]),
        ("0.4.0", "/step", json!(0), &["/step minimum"]),
        ("0.4.0", "/learning_rate", json!(0), &["/learning_rate exclusiveMinimum"]),
        ("0.4.0", "/updates", json!([]), &["/updates minItems"]),
        ("0.4.0", "/updates/1/kind", json!("gate"), &["/updates/1/kind enum"]),
        ("0.4.0", "/updates/0/optimizer/product_order", json!("any"), &["/updates/0/optimizer/product_order const"]),
        ("0.4.0", "/topology/parameters/0/id", json!("1w"), &["/topology/parameters/0/id pattern"]),
        ("0.4.0", "/topology/parameters/0/id", json!("w\n"), &["/topology/parameters/0/id pattern"]),
        ("0.4.0", "/topology/parameter_order", json!(["w1", "w1"]), &["/topology/parameter_order uniqueItems"]),
        ("0.4.0", "/topology/input_size", json!(65), &["/topology/input_size maximum"]),
        // 0.1.0 names everything.
        ("0.1.0", "/inputs/i3", json!(1), &["/inputs/i3 additionalProperties"]),
        ("0.1.0", "/parameters_before/w8", Value::Null, &["/parameters_before required"]),
        ("0.1.0", "/numeric_policy/tolerance", json!(1e-8), &["/numeric_policy/tolerance const"]),
        ("0.1.0", "/numeric_policy/tolerance", tolerance(), &["/numeric_policy/tolerance const"]),
        ("0.1.0", "/numeric_policy/precision_significant_digits", json!(9.0), &[]),
        ("0.1.0", "/trace_id", json!("0".repeat(32)), &["/trace_id additionalProperties"]),
        ("0.1.0", "/unit_order", json!({}), &[]),
        ("0.2.0", "/unit_order", json!({}), &["/unit_order additionalProperties"]),
        ("0.1.0", "/fixture_status/authoring_state", json!("engine_generated_general"), &["/fixture_status/authoring_state enum"]),
        ("0.2.0", "/fixture_status/authoring_state", json!("engine_generated_general"), &[]),
        ("0.1.0", "/updates/0/optimizer/factors", json!([{ "name": "a", "value": 1 }]), &["/updates/0/optimizer/factors minItems"]),
        ("0.2.0", "/updates/0/optimizer/factors", json!([{ "name": "a", "value": 1 }]), &[]),
        ("0.1.0", "/post_update_forward", json!({ "status": "filled", "h3": { "net": 1, "out": 1 } }), &["/post_update_forward/h3 propertyNames"]),
        ("0.2.0", "/post_update_forward", json!({ "status": "filled", "h3": { "net": 1, "out": 1 } }), &[]),
        // 0.2.0: tolerance and traces.
        ("0.2.0", "/numeric_policy/tolerance", tolerance(), &[]),
        ("0.2.0", "/numeric_policy/tolerance", json!(1e-5), &[]),
        ("0.2.0", "/numeric_policy/tolerance", json!(0.01), &["/numeric_policy/tolerance maximum"]),
        ("0.2.0", "/numeric_policy/tolerance", json!({ "atol": 1e-4, "rtol": 0 }), &["/numeric_policy/tolerance/atol maximum"]),
        ("0.2.0", "/numeric_policy/tolerance", json!({ "atol": 0 }), &["/numeric_policy/tolerance required"]),
        ("0.2.0", "/numeric_policy/tolerance", json!("0"), &["/numeric_policy/tolerance type"]),
        ("0.2.0", "/trace_id", json!("0".repeat(32)), &[" required"]),
        ("0.2.0", "/step_index", json!(0), &[" required"]),
        // 0.3.0: softmax.
        ("0.2.0", "/topology/activation_output", json!("softmax"), &["/topology/activation_output enum"]),
        ("0.3.0", "/topology/activation_output", json!("softmax"), &[]),
        ("0.3.0", "/topology/activation_hidden", json!("softmax"), &["/topology/activation_hidden enum"]),
        ("0.2.0", "/topology/loss", json!("cross_entropy_softmax"), &["/topology/loss enum"]),
        ("0.3.0", "/topology/loss", json!("cross_entropy_softmax"), &[]),
        ("0.2.0", "/backward/output_error_signals/o1/dual_form", json!(1), &["/backward/output_error_signals/o1/dual_form additionalProperties", "/backward/output_error_signals/o1/dual_form type"]),
        // 0.4.0: observers and batches.
        ("0.3.0", "/attestor", attestor(), &["/attestor additionalProperties"]),
        ("0.4.0", "/attestor", attestor(), &[]),
        ("0.4.0", "/attestor", with(attestor(), json!({ "bundle_root_digest": digest })), &[]),
        ("0.4.0", "/attestor", with(attestor(), json!({ "bundle_root_digest": digest[7..] })), &["/attestor/bundle_root_digest pattern"]),
        ("0.4.0", "/attestor", with(attestor(), json!({ "skip_basis": "trust me" })), &["/attestor/skip_basis enum"]),
        ("0.3.0", "/fixture_status/authoring_state", json!("external_imported"), &["/fixture_status/authoring_state enum"]),
        ("0.4.0", "/fixture_status/authoring_state", json!("external_imported"), &[]),
        ("0.4.0", "/source_framework", json!({ "name": "mxnet", "version": "1" }), &["/source_framework/name enum"]),
        ("0.4.0", "/source_framework", json!({ "name": "jax", "version": "" }), &["/source_framework/version minLength"]),
        ("0.3.0", "/batch", batch(), &["/batch additionalProperties"]),
        ("0.4.0", "/batch", batch(), &[]),
        ("0.4.0", "/batch", with(batch(), json!({ "size": 10_001 })), &[]),
        ("0.5.0", "/batch", with(batch(), json!({ "size": 10_001 })), &["/batch/size maximum"]),
        ("0.3.0", "/loss/reduction", json!("sum"), &["/loss/reduction additionalProperties"]),
        ("0.4.0", "/loss/reduction", json!("sum"), &[]),
        // 0.5.0: Adam.
        ("0.4.0", "/optimizer_config", adam(), &["/optimizer_config additionalProperties"]),
        ("0.5.0", "/optimizer_config", adam(), &[]),
        ("0.5.0", "/optimizer_config", with(adam(), json!({ "name": "adamw" })), &["/optimizer_config required"]),
        ("0.5.0", "/optimizer_config", with(adam(), json!({ "beta1": 1 })), &["/optimizer_config/beta1 exclusiveMaximum"]),
        ("0.4.0", "/updates/0/optimizer/name", json!("adam"), &["/updates/0/optimizer required", "/updates/0/optimizer required", "/updates/0/optimizer/name enum"]),
        ("0.5.0", "/updates/0/optimizer/name", json!("adam"), &["/updates/0/optimizer required", "/updates/0/optimizer required"]),
        ("0.4.0", "/updates/0/optimizer/state_before", json!({ "m": 0, "v": 0 }), &["/updates/0/optimizer/state_before additionalProperties"]),
        ("0.5.0", "/updates/0/optimizer/state_before", json!({ "m": 0, "v": 0 }), &[]),
        ("0.5.0", "/updates/0/optimizer/state_before", json!({ "m": 0, "v": -1 }), &["/updates/0/optimizer/state_before/v minimum"]),
        ("0.5.0", "/updates/0/optimizer/state_before", json!({ "buffer": 0 }), &["/updates/0/optimizer/state_before/buffer additionalProperties"]),
        // 0.6.0 to 0.8.0: momentum, Nesterov and dampening, coupled decay.
        ("0.6.0", "/updates/0/optimizer/state_before", json!({ "buffer": 0 }), &[]),
        ("0.5.0", "/optimizer_config", momentum(json!({})), &["/optimizer_config/momentum additionalProperties", "/optimizer_config/name enum"]),
        ("0.6.0", "/optimizer_config", momentum(json!({})), &[]),
        ("0.6.0", "/optimizer_config", momentum(json!({ "nesterov": false, "dampening": 0.0 })), &[]),
        ("0.6.0", "/optimizer_config", momentum(json!({ "nesterov": true })), &["/optimizer_config/nesterov const"]),
        ("0.7.0", "/optimizer_config", momentum(json!({ "nesterov": true })), &[]),
        ("0.7.0", "/optimizer_config", momentum(json!({ "dampening": 0.5 })), &[]),
        ("0.7.0", "/optimizer_config", momentum(json!({ "nesterov": true, "dampening": 0.5 })), &["/optimizer_config/dampening const"]),
        ("0.7.0", "/optimizer_config", momentum(json!({ "weight_decay": 0.1 })), &["/optimizer_config/weight_decay additionalProperties"]),
        ("0.8.0", "/optimizer_config", momentum(json!({ "weight_decay": 0.1 })), &[]),
    ];
    for (version, pointer, value, expected) in table {
        let document = changed(minimal_receipt(version), pointer, value.clone());
        let mut broken = broken(receipt(version), &document);
        broken.sort();
        assert_eq!(broken, expected, "{version} {pointer} {value}");
    }
}

#[test]
fn framework_traces_break_where_they_are_changed() {
    let many = |count: usize| -> Value {
        (0..count).map(|n| (format!("u{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into()
    };
    #[rustfmt::skip]
    let table: Vec<(&str, &str, Value, &[&str])> = vec![
        ("0.1.0", "/surprise", json!(1), &["/surprise additionalProperties"]),
        ("0.1.0", "/source_framework/name", json!("backprop_trace_engine"), &["/source_framework/name enum"]),
        ("0.1.0", "/topology/activation_output", json!("softmax"), &[]),
        ("0.1.0", "/inputs", many(4096), &[]),
        ("0.1.0", "/inputs", many(4097), &["/inputs maxProperties"]),
        ("0.1.0", "/updates", vec![update("w1"); 4097].into(), &["/updates maxItems"]),
        ("0.3.0", "/loss/per_sample", many(4097), &[]),
        ("0.4.0", "/loss/per_sample", many(4097), &["/loss/per_sample maxProperties"]),
        ("0.1.0", "/post_update_forward", json!({ "status": "filled", "h1": { "net": 1, "out": 1 } }), &[]),
        ("0.1.0", "/trace_id", json!("0".repeat(32)), &["/trace_id additionalProperties"]),
        ("0.2.0", "/trace_id", json!("0".repeat(32)), &[]),
        ("0.2.0", "/trace_id", json!("0".repeat(31)), &["/trace_id pattern"]),
        ("0.2.0", "/step_index", json!(0), &[" required"]),
        ("0.7.0", "/trace_id", json!("0".repeat(32)), &[" required"]),
        ("0.2.0", "/batch", json!({ "size": 1, "sample_order": ["s1"], "reduction": "mean" }), &["/batch additionalProperties"]),
        ("0.3.0", "/batch", json!({ "size": 1, "sample_order": ["s1"], "reduction": "mean" }), &[]),
        ("0.3.0", "/optimizer", json!({ "name": "sgd", "learning_rate": 0.1 }), &["/optimizer additionalProperties"]),
        ("0.4.0", "/optimizer", json!({ "name": "sgd", "learning_rate": 0.1 }), &[]),
        ("0.5.0", "/optimizer", json!({ "name": "sgd_momentum", "learning_rate": 0.1, "momentum": 0.9, "dampening": 0.5 }), &["/optimizer/dampening const"]),
        ("0.6.0", "/optimizer", json!({ "name": "sgd_momentum", "learning_rate": 0.1, "momentum": 0.9, "dampening": 0.5 }), &[]),
        ("0.7.0", "/optimizer", json!({ "name": "sgd_momentum", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.5 }), &["/optimizer/weight_decay additionalProperties"]),
        ("0.8.0", "/optimizer", json!({ "name": "sgd_momentum", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.5 }), &[]),
        ("0.6.0", "/source_framework/extractor", Value::Null, &[]),
        ("0.7.0", "/source_framework/extractor", Value::Null, &[" required"]),
        ("0.7.0", "/source_framework/extractor/name", json!("script"), &[" required"]),
    ];
    for (version, pointer, value, expected) in table {
        let document = changed(minimal_trace(version), pointer, value);
        assert_eq!(broken(trace(version), &document), expected, "{version} {pointer}");
    }
}

#[test]
fn a_topology_input_has_no_softmax() {
    let Value::Object(members) = minimal_receipt("0.2.0") else { panic!() };
    let wanted = [
        "topology",
        "learning_rate",
        "inputs",
        "targets",
        "parameters_before",
        "numeric_policy",
        "bias_policy",
    ];
    let input: Value = members
        .into_iter()
        .filter(|(key, _)| wanted.contains(&key.as_str()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(validate(Schema::TopologyInput, &input), Ok(()));
    let softmax = changed(input.clone(), "/topology/activation_output", json!("softmax"));
    assert_eq!(broken(Schema::TopologyInput, &softmax), ["/topology/activation_output enum"]);
    assert_eq!(broken(Schema::TopologyInput, &changed(input, "/step_index", json!(0))), [" required"]);
}

#[test]
fn a_manifest_is_closed_and_complete() {
    let digest = "0".repeat(64);
    let manifest = json!({
        "format": "bp-pack/1", "pack_id": "0".repeat(32), "created_at": "2026-01-31T12:00:00Z",
        "created_at_source": "argument",
        "producer": { "name": "bp", "version": "0.1.0", "build": "release" },
        "judge": { "name": "bp", "version": "0.1.0", "rules": ["R1"], "bounds_policy_sha256": digest },
        "subject": { "run_id": null, "run_name": "a run", "artifacts": [{ "name": "model", "sha256": digest }] },
        "parent_manifest_sha256": null, "suite": null,
        "annex": { "catalogue_sha256": digest, "templates_sha256": digest }, "verdict": "PASS",
        "counts": { "receipts": 1, "passed": 1, "failed": 0, "insufficient": 0 },
        "checksums_sha256_digest": digest,
        "artifacts": [{ "path": "receipts/1.jsonl", "size_bytes": 1, "sha256": digest, "role": "receipt", "media_type": "application/jsonl" }],
        "signing": { "algorithm": "ed25519", "key_id": digest, "role": "seal" }
    });
    assert_eq!(validate(Schema::PackManifest, &manifest), Ok(()));
    for key in manifest.as_object().unwrap().keys() {
        let without = changed(manifest.clone(), &format!("/{key}"), Value::Null);
        assert_eq!(broken(Schema::PackManifest, &without), [" required"], "{key}");
    }
    #[rustfmt::skip]
    let table = [
        ("/surprise", json!(1), "/surprise additionalProperties"),
        ("/format", json!("bp-pack/2"), "/format const"),
        ("/pack_id", json!("0".repeat(33)), "/pack_id pattern"),
        ("/created_at", json!("2026-01-31T12:00:00+00:00"), "/created_at pattern"),
        ("/created_at", json!("2026-13-31T12:00:00Z"), "/created_at pattern"),
        ("/verdict", json!("PARTIAL"), "/verdict enum"),
        ("/counts/failed", json!(-1), "/counts/failed minimum"),
        ("/artifacts/0/role", json!("key"), "/artifacts/0/role enum"),
        ("/artifacts/0/mode", json!(1), "/artifacts/0/mode additionalProperties"),
        ("/signing/role", json!("approve"), "/signing/role const"),
        ("/parent_manifest_sha256", json!("F".repeat(64)), "/parent_manifest_sha256 pattern"),
    ];
    for (pointer, value, expected) in table {
        assert_eq!(broken(Schema::PackManifest, &changed(manifest.clone(), pointer, value)), [expected]);
    }
}

#[test]
fn messages_are_for_people_and_bounded() {
    let of = |pointer: &str, value: Value| -> String {
        let violations =
            validate(receipt("0.3.0"), &changed(minimal_receipt("0.3.0"), pointer, value)).unwrap_err();
        violations[0].to_string()
    };
    assert_eq!(of("/forward", Value::Null), "the document: required property \"forward\" is missing");
    assert_eq!(of("/surprise", json!(1)), "/surprise: unknown property \"surprise\"");
    assert_eq!(of("/attestor", json!({})), "/attestor: this property is not part of this version");
    assert_eq!(
        of("/topology/loss", json!("l1")),
        "/topology/loss: \"l1\" is not one of \"half_squared_error\", \"cross_entropy_softmax\""
    );
    assert_eq!(
        of("/numeric_policy/tolerance", json!(0.01)),
        "/numeric_policy/tolerance: 0.01 is greater than 0.00001"
    );
    let long = of("/topology/loss", json!("é".repeat(1_000_000)));
    assert!(long.len() < 400, "{} bytes", long.len());
    assert_eq!(
        of("/step", minimal_receipt("0.3.0")),
        "/step: an object has the wrong type, expected integer"
    );
}

#[test]
fn no_more_violations_than_the_bound() {
    let inputs: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("i{n}"), json!("1"))).collect();
    let document = changed(minimal_receipt("0.4.0"), "/inputs", inputs.into());
    assert_eq!(validate(receipt("0.4.0"), &document).unwrap_err().len(), MAX_VIOLATIONS);
}

#[test]
fn every_schema_file_is_registered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["schemas", "contracts"] {
        for entry in root.join(folder).read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".schema.json") {
                found.insert(format!("{folder}/{name}"));
            }
        }
    }
    let registered: BTreeSet<_> = schema::embedded().map(|(path, _)| path.to_owned()).collect();
    assert_eq!(found, registered);
    assert!(
        ReceiptVersion::ALL.iter().all(|version| Schema::all().any(|each| each == Schema::Receipt(*version)))
    );
    assert!(
        TraceVersion::ALL
            .iter()
            .all(|version| Schema::all().any(|each| each == Schema::FrameworkTrace(*version)))
    );
}

#[test]
fn every_definition_is_described() {
    for (path, text) in schema::embedded() {
        let schema: Value = serde_json::from_str(text).unwrap();
        let definitions = schema["$defs"].as_object().into_iter().flatten();
        for (name, definition) in definitions.chain([(&path.to_owned(), &schema)]) {
            assert!(definition["description"].is_string(), "{path}: {name}");
        }
    }
}
