//! What a training job left behind, from directories as trainers leave them: real ones where the samples are at hand, and
//! small ones made here, each broken in one way.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bp::digest::Digest;
use bp::pack::PackPath;
use bp::run::collect::{self, CollectError, Limits};
use bp::run::record::{Agreement, Kind, RunRecord, State};
use bp::run::take::Reason;
use bp::run::{Evidence, Given, Names, derive};
use bp::schema::{self, Schema};
use serde_json::{Value, json};

/// Files of a run's evidence, by path.
type Files = BTreeMap<String, Vec<u8>>;

/// A directory that goes away with the test. The run lies one below, so that what lies beside it is ours too.
struct Job(tempfile::TempDir);

impl Job {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("out")).unwrap();
        Self(place)
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn put(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn json(self, path: &str, value: &Value) -> Self {
        self.put(path, value.to_string())
    }

    fn evidence(&self, given: Given) -> Evidence {
        take(&self.root(), &[], given)
    }

    fn record(&self) -> RunRecord {
        self.given(Given::default())
    }

    fn given(&self, given: Given) -> RunRecord {
        known(&self.evidence(given))
    }
}

fn key(path: &str) -> Option<String> {
    path.parse::<PackPath>().ok().map(|path| path.fold())
}

fn collected(root: &Path, datasets: &[PathBuf], given: Given) -> Result<Evidence, CollectError> {
    collect::directory(root, datasets, given, &key, &Limits::default())
}

fn take(root: &Path, datasets: &[PathBuf], given: Given) -> Evidence {
    collected(root, datasets, given).unwrap()
}

/// The record, held to its contract, and to be the same from stored files.
fn known(evidence: &Evidence) -> RunRecord {
    let record = derive(evidence);
    let document = serde_json::to_value(&record).unwrap();
    assert_eq!(schema::validate(Schema::Run, &document), Ok(()));
    let files = evidence.files();
    let again = Evidence::parse(files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))).unwrap();
    assert_eq!(&again, evidence);
    assert_eq!(bp::json::canonical(&derive(&again)), bp::json::canonical(&record));
    record
}

/// Code and place of what speaks against the run.
fn flags(record: &RunRecord) -> Vec<String> {
    let told: BTreeSet<String> =
        record.flags().map(|finding| format!("{} {}", finding.law.code, finding.path)).collect();
    told.into_iter().collect()
}

fn has(record: &RunRecord, code: &str) -> bool {
    record.findings.iter().any(|finding| finding.law.code == code)
}

fn message<'a>(record: &'a RunRecord, code: &str) -> &'a str {
    &record.findings.iter().find(|finding| finding.law.code == code).unwrap().message
}

/// A safetensors file with one F32 vector.
fn weights(values: &[f32]) -> Vec<u8> {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let header = json!({ "w": { "dtype": "F32", "shape": [values.len()], "data_offsets": [0, data.len()] } })
        .to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// An archive as far as its first and last bytes go.
fn archive() -> Vec<u8> {
    [b"PK\x03\x04".as_slice(), &[0; 100], b"PK\x05\x06", &[0; 18]].concat()
}

fn trainer_state(step: u64, planned: u64, log: &Value) -> Value {
    json!({ "global_step": step, "max_steps": planned, "log_history": log, "train_batch_size": 2 })
}

fn id(digit: char) -> String {
    digit.to_string().repeat(32)
}

fn history_row(digit: char, status: &str) -> Value {
    let ended = if status == "running" { Value::Null } else { json!("2026-01-01T10:05:00") };
    json!({
        "run_id": id(digit), "status": status, "session_kind": "single_run",
        "started_at": format!("2026-01-01T10:00:0{digit}"), "completed_at": ended,
        "model_name": "tiny", "dataset_info": "train.jsonl",
        "dataset_hash": &Digest::of(b"data").to_string()[..16],
        "hyperparameters": { "lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "learning_rate": 0.001,
            "max_steps": 2, "seed": 42 },
        "steps": if status == "completed" { json!(2) } else { Value::Null },
        "loss_history": if status == "completed" { json!([2.5, 1.5]) } else { json!([]) },
        "checkpoint_path": "somewhere/out", "failure_reason": Value::Null,
    })
}

/// A whole run of backpropagate.
fn backpropagate() -> Job {
    let log =
        json!([{ "step": 1, "loss": 2.5, "grad_norm": 1.0 }, { "step": 2, "loss": 1.5, "grad_norm": 0.5 }]);
    let config = json!({ "r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "base_model_name_or_path": "tiny" });
    Job::new()
        .json("run_history.json", &json!([history_row('1', "completed")]))
        .put("run_history.json.lock", "")
        .json("adapter_config.json", &config)
        .put("adapter_model.safetensors", weights(&[1.0, 2.0]))
        .put("checkpoint-2/adapter_model.safetensors", weights(&[1.0, 2.0]))
        .put("checkpoint-2/optimizer.pt", archive())
        .json("checkpoint-2/trainer_state.json", &trainer_state(2, 2, &log))
}

#[test]
fn a_whole_run_is_completed_and_nothing_speaks_against_it() {
    let record = backpropagate().record();
    assert_eq!((record.kind, record.status.state), (Kind::Backpropagate, State::Completed));
    assert_eq!(flags(&record), [""; 0]);
    assert_eq!(record.run_id, Some(id('1')));
    assert_eq!((record.steps.taken, record.steps.planned), (Some(2), Some(2)));
    let losses = record.series.iter().find(|series| series.name == "loss").unwrap();
    let losses: Vec<_> = losses.points.iter().map(|point| (point.step, point.value)).collect();
    assert_eq!(losses, [(Some(1), Some(2.5)), (Some(2), Some(1.5))]);
    for missing in [
        "optimizer",
        "learning rate scheduler",
        "weight decay",
        "precision of training",
        "base model revision",
    ] {
        assert!(record.settings.not_recorded.contains(&missing), "{missing}");
    }
    assert!(!record.settings.not_recorded.contains(&"seed"));
}

#[test]
fn an_adapter_equals_its_checkpoint_by_digest() {
    let record = backpropagate().record();
    assert_eq!(record.weights.len(), 1);
    assert_eq!(
        record.weights[0].paths,
        ["adapter_model.safetensors", "checkpoint-2/adapter_model.safetensors"]
    );
    assert_eq!((record.weights[0].values, record.weights[0].non_finite), (Some(2), Some(0)));
    let other = backpropagate().put("adapter_model.safetensors", weights(&[1.0, 3.0])).record();
    assert_eq!(other.weights.len(), 2);
}

#[test]
fn a_killed_run_is_stale_unless_it_is_said_to_live() {
    let job = backpropagate().json("run_history.json", &json!([history_row('1', "running")]));
    let record = job.record();
    assert_eq!(record.status.state, State::Stale);
    assert_eq!(flags(&record), ["RUN_STALE ."]);
    let alive = job.given(Given { alive: true, ..Given::default() });
    assert_eq!((alive.status.state, flags(&alive)), (State::Running, vec![]));
    let ended = job.given(Given { exit_code: Some(137), ..Given::default() });
    assert_eq!(ended.status.state, State::Failed);
}

#[test]
fn a_completed_run_with_weights_that_are_not_finite_is_flagged() {
    let record =
        backpropagate().put("adapter_model.safetensors", weights(&[f32::NAN, f32::INFINITY, 1.0])).record();
    assert_eq!((record.status.state, record.status.flagged), (State::Completed, true));
    assert_eq!(flags(&record), ["RUN_WEIGHTS_NOT_FINITE adapter_model.safetensors"]);
    assert_eq!(
        message(&record, "RUN_WEIGHTS_NOT_FINITE"),
        "2 values in 1 of 1 tensors are NaN or infinite, the first in w"
    );
}

#[test]
fn bare_nan_in_a_trainer_state_is_kept_and_told_with_its_line() {
    let state = "{\"global_step\": 2, \"max_steps\": 2,\n\"log_history\": [{\"step\": 1, \"loss\": 2.5},\n{\"step\": 2, \"loss\": 1.5, \"grad_norm\": NaN}]}";
    let job = backpropagate().put("checkpoint-2/trainer_state.json", state);
    let record = job.record();
    let place = "checkpoint-2/trainer_state.json";
    assert_eq!(flags(&record), [format!("RUN_LOG_NOT_FINITE {place}"), format!("RUN_NOT_JSON {place}")]);
    assert!(message(&record, "RUN_NOT_JSON").contains("line 3"));
    assert_eq!(job.evidence(Given::default()).text(place), Some(state.as_bytes()));
    let norms = record.series.iter().find(|series| series.name == "grad_norm").unwrap();
    assert_eq!(norms.points[0].value, None);
}

#[test]
fn a_torn_checkpoint_is_told_with_what_is_missing() {
    let torn = backpropagate()
        .put("checkpoint-1/adapter_model.safetensors", weights(&[1.0]))
        .put("checkpoint-1/optimizer.pt", &archive()[..40]);
    let record = torn.record();
    assert_eq!(flags(&record), ["RUN_CHECKPOINT_TORN checkpoint-1"]);
    assert_eq!(
        record.checkpoints[0].faults,
        ["trainer_state.json is missing", "optimizer.pt begins as an archive and has no end"]
    );
    assert!(record.checkpoints[1].complete);
    // A folder whose name only begins like a checkpoint's is none of it.
    let beside = backpropagate().put("checkpoint-2-old/optimizer.pt", &archive()[..40]);
    assert_eq!(flags(&beside.record()), ["RUN_WEIGHTS_MALFORMED checkpoint-2-old/optimizer.pt"]);
}

#[test]
fn a_checkpoint_in_shards_has_its_weights_below_it() {
    for shard in ["pytorch_model_fsdp_0/__0_0.distcp", "global_step2/mp_rank_00_model_states.pt"] {
        let log = json!([{ "step": 2, "loss": 1.0 }]);
        let job = backpropagate()
            .put(&format!("checkpoint-4/{shard}"), archive())
            .json("checkpoint-4/trainer_state.json", &trainer_state(4, 4, &log));
        let record = job.record();
        assert!(!has(&record, "RUN_CHECKPOINT_TORN"), "{shard}: {:?}", record.findings);
    }
}

#[test]
fn a_pack_that_lies_in_the_run_is_no_part_of_it() {
    let job = backpropagate();
    let before = job.record();
    let job =
        ["manifest.json", "checksums.sha256", "results/final_verdict.json", "run/history/checkpoint-1/x.pt"]
            .iter()
            .fold(job, |job, name| job.put(&format!("packs/demo/{name}"), "{}"))
            .put(".bp-partial-7-0/manifest.json", "{}");
    let evidence = job.evidence(Given::default());
    let left = |path: &str| evidence.left_out.iter().find(|left| left.path == path).map(|left| left.reason);
    assert_eq!(left("packs/demo/"), Some(Reason::Pack));
    assert_eq!(left(".bp-partial-7-0/"), Some(Reason::Pack));
    assert_eq!(job.record().findings, before.findings);
}

#[test]
fn counts_of_a_stored_table_may_say_anything() {
    // The largest integer of JSON; its square is beyond 64 bits.
    const LARGE: u64 = (1 << 53) - 1;
    let mut files = backpropagate().evidence(Given::default()).files();
    let mut table: Value = serde_json::from_slice(&files["artifacts.json"]).unwrap();
    let rows = table["artifacts"].as_array_mut().unwrap();
    let row = rows.iter_mut().find(|row| row["path"] == "adapter_model.safetensors").unwrap();
    let tensor = json!({ "name": "w", "dtype": "F32", "shape": [LARGE, LARGE], "non_finite": LARGE });
    row["safetensors"]["tensors"] = json!([tensor, tensor]);
    files.insert("artifacts.json".to_owned(), bp::json::canonical(&table));
    let parsed = Evidence::parse(files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
    let record = derive(&parsed.unwrap());
    assert!(record.weights.iter().any(|weights| weights.values == Some(u64::MAX)), "{:?}", record.weights);
}

#[test]
fn a_save_that_was_not_finished_is_refused_or_told() {
    let journal = backpropagate().put("lora.backup.json", "{}").put("lora.backup/x", "");
    assert!(
        matches!(collected(&journal.root(), &[], Given::default()), Err(CollectError::Journal { path }) if path == "lora.backup.json")
    );
    let beside = backpropagate();
    fs::write(beside.0.path().join("out.backup.json"), "{}").unwrap();
    assert!(
        matches!(collected(&beside.root(), &[], Given::default()), Err(CollectError::Journal { path }) if path == "../out.backup.json")
    );
    let partial = backpropagate().put("lora.partial/adapter_model.safetensors", weights(&[1.0]));
    assert_eq!(flags(&partial.record()), ["RUN_SAVE_UNFINISHED lora.partial/"]);
    let only = backpropagate().put("lora.backup/adapter_model.safetensors", weights(&[1.0]));
    assert_eq!(flags(&only.record()), ["RUN_BACKUP_ONLY lora.backup/"]);
    let finished =
        backpropagate().put("lora.backup/x", "").put("lora/adapter_model.safetensors", weights(&[1.0]));
    assert_eq!(flags(&finished.record()), [""; 0]);
}

#[test]
fn rows_that_contradict_themselves_or_others_are_told() {
    let changed = |key: &str, value: Value| {
        let mut row = history_row('1', "completed");
        row[key] = value;
        flags(&backpropagate().json("run_history.json", &json!([row])).record())
    };
    let history = |code: &str| vec![format!("{code} run_history.json")];
    assert_eq!(changed("completed_at", Value::Null), history("RUN_STATUS_CONTRADICTION"));
    assert_eq!(changed("failure_reason", json!("OSError: full")), history("RUN_STATUS_CONTRADICTION"));
    assert_eq!(changed("status", json!("done")), history("RUN_STATUS_UNKNOWN"));
    let state = "checkpoint-2/trainer_state.json";
    assert_eq!(changed("loss_history", json!([2.5, 1.25])), [format!("RUN_LOSS_CONTRADICTION {state}")]);
    assert_eq!(changed("steps", json!(1)), [format!("RUN_STEPS_CONTRADICTION {state}")]);
    let config = json!({ "r": 16, "lora_alpha": 16, "lora_dropout": 0.05 });
    let adapter = backpropagate().json("adapter_config.json", &config).record();
    assert_eq!(flags(&adapter), ["RUN_CONFIG_CONTRADICTION adapter_config.json"]);
    let exit = backpropagate().given(Given { exit_code: Some(1), ..Given::default() });
    assert_eq!(
        (exit.status.state, flags(&exit)),
        (State::Failed, vec!["RUN_STATUS_CONTRADICTION .".to_owned()])
    );
}

#[test]
fn damaged_histories_are_passed_over_row_by_row_and_told() {
    let odd = json!([7, history_row('1', "completed"), { "status": "completed" }]);
    let record = backpropagate().json("run_history.json", &odd).record();
    assert_eq!(flags(&record), ["RUN_HISTORY_UNREADABLE run_history.json"]);
    assert_eq!(record.run_id, Some(id('1')));
    let cut = backpropagate().put("run_history.json", "[{\"run_id\": \"a").record();
    assert_eq!(cut.status.state, State::Unknown);
    assert_eq!(flags(&cut), ["RUN_HISTORY_UNREADABLE run_history.json", "RUN_NOT_JSON run_history.json"]);
}

#[test]
fn of_several_runs_the_last_is_told_unless_another_is_asked_for() {
    let rows =
        json!([history_row('1', "failed"), history_row('2', "completed"), history_row('3', "running")]);
    let job = backpropagate().json("run_history.json", &rows);
    let last = job.record();
    assert_eq!((last.run_id.clone(), last.status.state), (Some(id('3')), State::Stale));
    assert!(has(&last, "RUN_SEVERAL"));
    let asked = |run_id: &str| job.given(Given { run_id: Some(run_id.to_owned()), ..Given::default() });
    assert_eq!(asked("1").status.state, State::Failed);
    assert_eq!(asked(&id('2')).status.state, State::Completed);
    assert_eq!(flags(&asked("2")), ["RUN_STALE run_history.json"]);
    assert!(has(&asked("9"), "RUN_ID_UNKNOWN"));
    assert!(has(&asked(""), "RUN_ID_UNKNOWN"), "an empty id is no id");
}

#[test]
fn a_data_set_agrees_differs_or_is_not_given() {
    let agreement = |name: &str, bytes: Option<&[u8]>| {
        let job = backpropagate();
        let file = job.0.path().join(name);
        let given: Vec<PathBuf> =
            bytes.map(|bytes| fs::write(&file, bytes).unwrap()).map(|()| file).into_iter().collect();
        let record = known(&take(&job.root(), &given, Given::default()));
        (record.datasets[0].agreement, flags(&record))
    };
    assert_eq!(agreement("any.jsonl", Some(b"data")), (Agreement::Agrees, vec![]));
    let differs = vec!["RUN_DATASET_CONTRADICTION .".to_owned()];
    assert_eq!(agreement("train.jsonl", Some(b"date")), (Agreement::Differs, differs));
    assert_eq!(agreement("none", None), (Agreement::NotGiven, vec![]));
}

/// A multi-run of three, as its files are.
fn multi() -> Job {
    let one = id('1');
    let mut row = history_row('1', "completed");
    row["session_kind"] = json!("multi_run");
    row["steps"] = json!(6);
    let norms = [0.0, 1.5, 2.5, 2.25];
    let merge = |run: usize| {
        json!({ "run_index": run, "scale_factor": 1.0 / f64::from(u32::try_from(run).unwrap()).sqrt(),
            "a_norm_before": norms[run - 1], "a_norm_after": norms[run] })
    };
    let told: Vec<Value> = (2..=3).map(|run| json!({ "run_index": run, "result": merge(run) })).collect();
    row["merge_history"] = json!(told);
    let rows = (1..=3)
        .map(|run| json!({ "run_index": run, "path": format!("x/out/run_00{run}/lora"), "run_id": one }));
    let rows: Vec<Value> = rows.collect();
    let mut job = Job::new()
        .json("run_history.json", &json!([row]))
        .json("manifest.json", &json!({ "policy": {}, "checkpoints": rows }));
    for run in 1..=3 {
        let merges: Vec<Value> = (2..=run).map(merge).collect();
        let history = json!({ "run_index": run, "run_id": one, "history": merges,
            "config": { "scaling_type": "sqrt", "use_time_aware_scaling": true, "min_scale": 0.1 },
            "strategy_config": { "strategy": "qiao_mahdavi" } });
        job = job
            .put(&format!("run_00{run}/lora/run_id"), &one)
            .put(&format!("run_00{run}/lora/adapter_model.safetensors"), weights(&[1.0]))
            .put(&format!("run_00{run}/slao/merged_lora.pt"), archive())
            .json(&format!("run_00{run}/slao/merge_history.json"), &history);
    }
    job
}

#[test]
fn merges_are_held_against_their_law_their_chain_and_the_history() {
    let record = multi().record();
    assert_eq!((record.status.state, flags(&record)), (State::Completed, vec![]));
    let checks: Vec<_> =
        record.merges.iter().map(|merge| (merge.run_index, merge.scale_holds, merge.chain_holds)).collect();
    assert_eq!(checks, [(2, Some(true), None), (3, Some(true), Some(true))]);
    let place = "run_003/slao/merge_history.json";
    let changed = |index: usize, key: &str, value: f64| {
        let job = multi();
        let path = job.root().join(place);
        let mut history: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        history["history"][index][key] = json!(value);
        flags(&job.json(place, &history).record())
    };
    let twice = format!("RUN_MERGE_CONTRADICTION {place}");
    assert_eq!(changed(1, "scale_factor", 0.5), [twice.clone(), format!("RUN_MERGE_SCALE {place}")]);
    assert_eq!(changed(1, "a_norm_before", 2.0), [format!("RUN_MERGE_CHAIN {place}"), twice.clone()]);
    assert_eq!(changed(1, "a_norm_after", 2.0), [twice]);
}

#[test]
fn parts_of_another_run_in_one_tree_are_told() {
    let record = multi().put("run_002/lora/run_id", id('2')).record();
    assert_eq!(flags(&record), ["RUN_ID_CONTRADICTION run_002/lora/run_id"]);
    let told = record.findings.iter().filter(|finding| finding.law.code == "RUN_ID_CONTRADICTION").count();
    assert_eq!(told, 3, "the manifest, the merges and the history each say otherwise");
    let pruned = multi();
    fs::remove_dir_all(pruned.root().join("run_001/lora")).unwrap();
    let pruned = pruned.record();
    assert_eq!(flags(&pruned), [""; 0]);
    assert_eq!(message(&pruned, "RUN_PATH_DANGLING"), "x/out/run_001/lora is not there");
}

#[test]
fn the_trainer_and_trl_are_told_apart_and_end_by_what_they_log() {
    let log = json!([{ "step": 1, "loss": 2.0, "learning_rate": 0.001 }, { "step": 2, "train_runtime": 1.0, "train_loss": 2.0 }]);
    let card = "---\ntags:\n- trl\n---\n";
    let job = || {
        Job::new()
            .json("trainer_state.json", &trainer_state(2, 4, &log))
            .put("training_args.bin", archive())
            .put("model.safetensors", weights(&[1.0]))
    };
    let record = job().record();
    assert_eq!((record.kind, record.status.state), (Kind::HfTrainer, State::Completed));
    assert_eq!(flags(&record), [""; 0]);
    assert_eq!(job().put("README.md", card).record().kind, Kind::Trl);
    let killed = Job::new()
        .json("checkpoint-2/trainer_state.json", &trainer_state(2, 4, &json!([])))
        .put("checkpoint-2/model.safetensors", weights(&[1.0]));
    assert_eq!(killed.record().status.state, State::Stale);
    let stopping = json!({ "global_step": 2, "max_steps": 4, "log_history": [],
        "stateful_callbacks": { "TrainerControl": { "args": { "should_training_stop": true } } } });
    assert_eq!(
        killed.json("checkpoint-2/trainer_state.json", &stopping).record().status.state,
        State::Completed
    );
    let forced = job().given(Given { kind: Some(Kind::Plain), ..Given::default() });
    assert_eq!((forced.kind, forced.status.state), (Kind::Plain, State::Unknown));
    assert_eq!(forced.other_kinds, [Kind::HfTrainer]);
}

#[test]
fn a_completed_run_without_weights_is_told() {
    let record = Job::new().json("trainer_state.json", &trainer_state(2, 2, &json!([]))).record();
    assert_eq!(flags(&record), ["RUN_WEIGHTS_MISSING ."]);
}

#[test]
fn lightning_is_read_from_its_table_and_its_settings() {
    let base = "lightning_logs/version_1";
    let job = Job::new()
        .put("lightning_logs/version_0/hparams.yaml", "lr: 1\n")
        .put(&format!("{base}/hparams.yaml"), "lr: 0.01\nbatch_size: 4\nmodel: !!python/object:x.Y {}\n")
        .put(&format!("{base}/metrics.csv"), "epoch,step,train_loss\n0,1,2.5\n0,3,nan\n1,,\n")
        .put(&format!("{base}/checkpoints/epoch=0-step=4.ckpt"), archive());
    let record = job.record();
    assert_eq!((record.kind, record.status.state), (Kind::Lightning, State::Unknown));
    assert_eq!(record.run_id.as_deref(), Some("version_1"));
    assert_eq!(flags(&record), [format!("RUN_LOG_NOT_FINITE {base}/metrics.csv")]);
    let names: Vec<_> = record
        .settings
        .recorded
        .iter()
        .map(|setting| (setting.name.as_str(), setting.value.clone()))
        .collect();
    assert_eq!(names, [("lr", json!(0.01)), ("batch_size", json!(4))]);
    assert_eq!((record.checkpoints[0].step, record.checkpoints[0].complete), (Some(4), true));
    let done = job.given(Given { exit_code: Some(0), ..Given::default() });
    assert_eq!(done.status.state, State::Completed);
}

#[test]
fn keras_is_read_from_its_logger() {
    let record = Job::new()
        .put("model.keras", archive())
        .put("training.csv", "epoch,loss,val_loss\n0,2.5,2.6\n1,1.5,1.75\n")
        .put("people.csv", "name,age\nA,1\n")
        .record();
    assert_eq!((record.kind, record.status.state, flags(&record)), (Kind::Keras, State::Unknown, vec![]));
    let names: Vec<_> =
        record.series.iter().map(|series| (series.name.as_str(), series.points.len())).collect();
    assert_eq!(names, [("loss", 2), ("val_loss", 2)]);
    let kept = Job::new().put("people.csv", "name,age\nA,1\n").evidence(Given::default());
    assert!(kept.texts.is_empty(), "a table of people is recorded by its digest");
}

#[test]
fn mlflow_tells_the_status_and_hides_the_user() {
    let home = ["/ho", "me/someone/mlruns"].concat();
    let run = |status: &str| {
        let meta = format!(
            "artifact_uri: {home}/0/a\nend_time: 1700000002000\nlifecycle_stage: active\nrun_id: {}\nstart_time: 1700000000000\nstatus: {status}\nuser_id: someone\n",
            id('a')
        );
        Job::new()
            .put("mlruns/0/meta.yaml", format!("artifact_location: {home}/0\nlifecycle_stage: active\n"))
            .put("mlruns/0/a/meta.yaml", meta)
            .put("mlruns/0/a/params/lr", "0.01")
            .put("mlruns/0/a/metrics/loss", "1700000001000 2.5 1\n1700000002000 1.5 2\n")
            .put("mlruns/0/a/tags/mlflow.user", "someone")
            .put("mlruns/0/a/tags/mlflow.source.name", format!("{home}/train.py"))
            .record()
    };
    for (status, state) in
        [("3", State::Completed), ("4", State::Failed), ("1", State::Stale), ("9", State::Unknown)]
    {
        assert_eq!(run(status).status.state, state, "{status}");
    }
    let record = run("3");
    assert_eq!((record.kind, flags(&record), record.run_id.clone()), (Kind::Mlflow, vec![], Some(id('a'))));
    assert_eq!(
        record.series[0].points.iter().map(|point| point.step).collect::<Vec<_>>(),
        [Some(1), Some(2)]
    );
    let document = serde_json::to_string(&record).unwrap();
    assert!(!document.contains("someone"), "{document}");
    assert!(document.contains("<path>/train.py"));
}

#[test]
fn wandb_is_known_by_its_log_and_its_links_are_not_followed() {
    let place = "wandb/offline-run-20260101_100000-abcd1234";
    let job = Job::new()
        .put(&format!("{place}/run-abcd1234.wandb"), [0, 1, 2])
        .put(&format!("{place}/files/output.log"), "step 1 loss 2.5\n")
        .put(
            &format!("{place}/files/wandb-metadata.json"),
            "{\"os\": \"Linux\", \"host\": \"box\", \"username\": \"someone\"}",
        );
    #[cfg(unix)]
    std::os::unix::fs::symlink(place, job.root().join("wandb/latest-run")).unwrap();
    let record = job.record();
    assert_eq!(
        (record.kind, record.status.state, flags(&record)),
        (Kind::WandbOffline, State::Unknown, vec![])
    );
    assert_eq!(record.run_id.as_deref(), Some("abcd1234"));
    let document = serde_json::to_string(&record).unwrap();
    assert!(!document.contains("box") && !document.contains("someone"), "{document}");
    #[cfg(unix)]
    assert!(has(&record, "RUN_LINK_NOT_FOLLOWED"));
}

#[test]
fn plain_files_tell_nothing_and_are_recorded() {
    let job = Job::new().put("model.bin", [1, 2, 3]).put("notes.json", "{}");
    let record = job.record();
    assert_eq!((record.kind, record.status.state), (Kind::Plain, State::Unknown));
    let evidence = job.evidence(Given::default());
    let digests: Vec<_> =
        evidence.artifacts.iter().map(|artifact| (artifact.path.as_str(), artifact.sha256)).collect();
    assert_eq!(digests, [("model.bin", Digest::of(&[1, 2, 3])), ("notes.json", Digest::of(b"{}"))]);
    assert_eq!(Job::new().record().status.state, State::Unknown);
}

#[test]
fn weights_that_break_their_format_are_told() {
    let cut = &weights(&[1.0, 2.0])[..60];
    let record = backpropagate().put("adapter_model.safetensors", cut).record();
    assert_eq!(flags(&record), ["RUN_WEIGHTS_MALFORMED adapter_model.safetensors"]);
    let lie = backpropagate()
        .put("adapter_model.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat())
        .record();
    assert!(
        message(&lie, "RUN_WEIGHTS_MALFORMED").starts_with("the header states 18446744073709551615 bytes")
    );
}

#[test]
fn a_planted_token_is_found_masked_and_taken_out() {
    let token = ["hf", "_", "a1B2c3D4e5F6g7H8i9J0"].concat();
    let mut row = history_row('1', "failed");
    row["failure_reason"] = json!(format!("HTTPError: denied for {token}"));
    let history = serde_json::to_string_pretty(&json!([row])).unwrap();
    let line = history.lines().position(|line| line.contains(&token)).unwrap() + 1;
    let job = backpropagate().put("run_history.json", &history);
    let evidence = job.evidence(Given::default());
    let leaks = evidence.leaks();
    assert_eq!(leaks.len(), 1);
    assert_eq!((leaks[0].path.as_str(), leaks[0].secret.line), ("run_history.json", line));
    assert!(!serde_json::to_string(&leaks).unwrap().contains(&token));
    assert!(
        !serde_json::to_string(&known(&evidence)).unwrap().contains(&token),
        "a record never quotes a secret"
    );
    let clean = evidence.clone().redact();
    assert_eq!(clean.leaks(), []);
    assert_eq!(clean.redacted.len(), 1);
    assert_eq!(clean.redacted[0].sha256, Digest::of(history.as_bytes()));
    let record = known(&clean);
    assert_eq!(record.status.state, State::Failed);
    assert!(record.status.reasons[0].contains("denied for <REDACTED>"));
}

#[test]
fn names_are_masked_unless_they_are_asked_for() {
    let place = ["/ho", "me/someone/data/train.jsonl"].concat();
    let mut row = history_row('1', "completed");
    row["dataset_info"] = json!(place);
    row["host"] = json!("box.example.org");
    let job = backpropagate()
        .json("run_history.json", &json!([row]))
        .put("events.out.tfevents.1700000000.box.1.0", [1]);
    let told = |names| {
        let evidence = job.evidence(Given { names, ..Given::default() });
        let files = evidence.files();
        let table = String::from_utf8(files["artifacts.json"].clone()).unwrap();
        serde_json::to_string(&known(&evidence)).unwrap() + &table
    };
    let masked = told(Names::Masked);
    assert!(!masked.contains("someone") && !masked.contains("box"), "{masked}");
    let shown = told(Names::Shown);
    assert!(shown.contains(&place) && shown.contains("box.example.org"));
}

#[cfg(unix)]
#[test]
fn links_devices_and_odd_names_are_left_out_with_their_reasons() {
    let job =
        backpropagate().put("readme.MD", "").put("README.md", "").put("a\nb.json", "{}").put(".ssh/id", "x");
    let fifo = job.root().join("events.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::os::unix::fs::symlink("/etc", job.root().join("link")).unwrap();
    let evidence = job.evidence(Given::default());
    let left: Vec<_> = evidence.left_out.iter().map(|left| (left.path.as_str(), left.reason)).collect();
    assert_eq!(
        left,
        [
            (".ssh/", Reason::Private),
            ("a\nb.json", Reason::Name),
            ("events.jsonl", Reason::Special),
            ("link", Reason::Link),
            ("readme.MD", Reason::Name),
            ("run_history.json.lock", Reason::Lock),
        ]
    );
    let private = Job::new().put(".aws/x/run_history.json", "[]");
    // What is no file, or has a name that no pack holds, does not speak against the run.
    let record = derive(&evidence);
    assert!(
        has(&record, "RUN_NAME_NOT_HELD") && !has(&record, "RUN_FILE_NOT_TAKEN"),
        "{:?}",
        record.findings
    );
    assert!(matches!(
        collected(&private.root().join(".aws/x"), &[], Given::default()),
        Err(CollectError::Private { .. })
    ));
}

#[test]
fn what_is_beyond_a_limit_is_left_out_and_told() {
    let job = backpropagate();
    let limited = |limits: Limits| {
        known(&collect::directory(&job.root(), &[], Given::default(), &key, &limits).unwrap())
    };
    let record = limited(Limits { artifact_bytes: 10, ..Limits::default() });
    assert!(flags(&record).contains(&"RUN_FILE_NOT_TAKEN adapter_model.safetensors".to_owned()));
    let record = limited(Limits { text_bytes: 10, ..Limits::default() });
    assert!(flags(&record).contains(&"RUN_TEXT_NOT_KEPT run_history.json".to_owned()));
    let record = limited(Limits { names: 2, ..Limits::default() });
    assert!(flags(&record).contains(&"RUN_FILE_NOT_TAKEN ...".to_owned()));
    let record = limited(Limits { depth: 0, ..Limits::default() });
    assert!(flags(&record).contains(&"RUN_FILE_NOT_TAKEN checkpoint-2/".to_owned()));
}

#[test]
fn a_part_of_the_evidence_that_is_not_what_it_should_be_is_refused() {
    let files = backpropagate().evidence(Given::default()).files();
    let parse = |changed: &dyn Fn(&mut Files)| {
        let mut files = files.clone();
        changed(&mut files);
        let read = Evidence::parse(files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
        read.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(parse(&|_| ()), Ok(()));
    assert_eq!(
        parse(&|files| drop(files.remove("artifacts.json"))),
        Err("artifacts.json is missing".to_owned())
    );
    assert_eq!(
        parse(&|files| drop(files.insert("other.json".to_owned(), vec![]))),
        Err("other.json is no part of a run's evidence".to_owned())
    );
    let odd = parse(&|files| drop(files.insert("command.json".to_owned(), b"{\"format\":\"x\"}".to_vec())));
    assert!(odd.unwrap_err().starts_with("command.json: unknown variant `x`"));
}

/// The program: its status, standard output and standard error.
fn bp(arguments: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bp"));
    let ran = command.args(arguments).env_remove("NO_COLOR").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

#[test]
fn run_show_prints_the_record_and_ends_by_what_it_found() {
    let job = backpropagate();
    let root = job.root();
    let root = root.to_str().unwrap();
    let (status, stdout, stderr) = bp(&["run", "show", root]);
    assert_eq!((status, stdout.as_str()), (0, ""));
    assert!(
        stderr.ends_with("run_history.json records the run as completed.\nStatus: completed.\n"),
        "{stderr}"
    );
    let (status, stdout, _) = bp(&["--json", "run", "show", root, "--exit-code", "1"]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (status, &document["ok"], &document["run"]["status"]["state"]),
        (1, &json!(true), &json!("failed"))
    );
    assert_eq!(schema::validate(Schema::Run, &document["run"]), Ok(()));
    let long = "x".repeat(200);
    let token = ["gh", "p_", &"a1B2".repeat(9)].concat();
    let job = job.put(&format!("{long}.safetensors"), "").put("output.log", format!("\n{token}\n\u{1b}[31m"));
    let (status, _, stderr) = bp(&["run", "show", job.root().to_str().unwrap(), "-v"]);
    assert_eq!(status, 1);
    assert!(stderr.contains("output.log, line 2: ghp_***") && !stderr.contains(&token), "{stderr}");
    assert!(stderr.lines().all(|line| line.chars().count() <= 80), "{stderr}");
}

#[test]
fn what_cannot_be_collected_is_an_error_with_its_place() {
    let job = backpropagate().put("lora.backup.json", "{}");
    let (status, _, stderr) = bp(&["run", "show", job.root().to_str().unwrap()]);
    assert_eq!(status, 2);
    assert!(stderr.starts_with("error: lora.backup.json: a save was not finished"), "{stderr}");
    let gone = job.root().join("gone");
    let (status, stdout, _) = bp(&["--json", "run", "show", gone.to_str().unwrap()]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &document["error"]["code"]), (2, &json!("ENOENT")));
    let file = job.root().join("run_history.json");
    let (status, stdout, _) = bp(&["--json", "run", "show", file.to_str().unwrap()]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &document["error"]["code"]), (2, &json!("RUN_NOT_COLLECTED")));
}

#[test]
fn every_finding_is_explained_by_its_code() {
    let (status, stdout, _) = bp(&["explain", "run_weights_not_finite"]);
    assert_eq!(status, 0);
    assert!(
        stdout.starts_with("RUN_WEIGHTS_NOT_FINITE\n  law:    Every weight is a finite number.\n"),
        "{stdout}"
    );
}

/// The samples of real runs, where they are at hand.
fn sample(name: &str) -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/runs").join(name);
    if !place.is_dir() {
        // Past the test harness, which shows nothing of a test that passes.
        let told = format!("SKIPPED: no sample {name} beside the repository\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        return None;
    }
    Some(place)
}

#[test]
fn real_runs_give_the_status_that_they_had() {
    let nan = "checkpoint-8/trainer_state.json";
    let cases: [(&str, State, &[&str]); 6] = [
        ("backpropagate_single_two_runs", State::Completed, &[]),
        ("backpropagate_single_killed_sigkill", State::Stale, &["RUN_STALE ."]),
        ("backpropagate_multi_slao_3runs", State::Completed, &[]),
        (
            "backpropagate_single_diverged_nan",
            State::Completed,
            &[
                &format!("RUN_LOG_NOT_FINITE {nan}"),
                &format!("RUN_NOT_JSON {nan}"),
                "RUN_WEIGHTS_NOT_FINITE checkpoint-8/model.safetensors",
                "RUN_WEIGHTS_NOT_FINITE model.safetensors",
            ],
        ),
        ("backpropagate_multi_refused_no_gpu", State::Failed, &[]),
        ("backpropagate_seed111_api", State::Completed, &[]),
    ];
    for (name, state, wanted) in cases {
        let Some(place) = sample(name) else { continue };
        let evidence = take(&place, &[], Given::default());
        let record = known(&evidence);
        assert_eq!((record.kind, record.status.state), (Kind::Backpropagate, state), "{name}");
        assert_eq!(flags(&record), wanted, "{name}");
        assert_eq!(evidence.leaks(), [], "{name}");
        assert!(record.checkpoints.iter().all(|checkpoint| checkpoint.complete), "{name}");
    }
}

#[test]
fn a_real_adapter_equals_its_checkpoint_and_a_real_merge_keeps_its_laws() {
    if let Some(place) = sample("backpropagate_single_two_runs") {
        let record = known(&take(&place, &[], Given::default()));
        let equal = ["adapter_model.safetensors", "checkpoint-6/adapter_model.safetensors"];
        assert!(record.weights.iter().any(|weights| weights.paths == equal));
        assert_eq!(record.steps.taken, Some(6));
        assert!(
            record
                .series
                .iter()
                .any(|series| series.name == "loss" && series.path.starts_with("checkpoint-6/"))
        );
        assert!(has(&record, "RUN_TOUCHED_LATER") && has(&record, "RUN_SHARED_DIRECTORY"));
    }
    if let Some(place) = sample("backpropagate_multi_slao_3runs") {
        let record = known(&take(&place, &[], Given::default()));
        let checks: Vec<_> =
            record.merges.iter().map(|merge| (merge.scale_holds, merge.chain_holds)).collect();
        assert_eq!(checks, [(Some(true), None), (Some(true), Some(true))]);
        assert_eq!(record.steps.taken, Some(12));
    }
}
