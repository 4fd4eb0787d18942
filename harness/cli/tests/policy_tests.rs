//! `volsync-policy test` as a person or CI runs it.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const CANARY: &str = "canary-of-the-credentials";

const CLAIM: &str = "\
request:
  kind: PersistentVolumeClaim
  metadata: {name: data, namespace: shop, labels: {backup: hourly}}
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// A directory with these files.
fn folder(files: &[(&str, String)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// A case for the claim.
fn case(name: &str, expect: &str) -> String {
    format!("name: {name}\n{CLAIM}expect: {expect}\n")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volsync-policy"));
    command.current_dir(folder).arg("test").args(arguments);
    command
}

/// Standard output, standard error, and the exit code.
fn test(folder: &Path, arguments: &[&str]) -> (String, String, i32) {
    told(&command(folder, arguments).output().unwrap())
}

fn told(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

/// The output and errors of bash, together, with the command on its path.
fn bash(folder: &Path, script: &str) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_volsync-policy")).parent().unwrap();
    let path = std::env::join_paths(
        [PathBuf::from(bin)].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(format!("exec 2>&1; {script}")).current_dir(folder).env("PATH", path.unwrap());
    String::from_utf8(bash.output().unwrap().stdout).unwrap()
}

#[test]
fn the_suite_of_the_project_passes_in_both_engines_and_reaches_every_code_and_row() {
    let module = root().join("target/wasm/volsync-policy.wasm");
    let both = ["tests/cases", "--engine", "native,wasm", "--coverage", "--module", module.to_str().unwrap()];
    let (out, err, code) = test(root(), &both);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("cases in native and wasm\n"), "{out}");
    assert!(!out.contains("not reached"), "{out}");
    assert_eq!(err, "");
}

#[test]
fn exit_codes_distinguish_passed_failed_and_not_run() {
    let of = |text: &str| test(folder(&[("a.yaml", text.to_owned())]).path(), &["."]).2;
    assert_eq!(of(&case("a", "{code: NoEvidence}")), 0);
    assert_eq!(of(&case("a", "{code: Ungated}")), 1);
    assert_eq!(of(&case("a", "{}")), 2);
    assert_eq!(of("name: ["), 2);
    assert_eq!(of(""), 2);
    // A case that passes does not hide one that cannot be read.
    assert_eq!(of(&format!("{}---\nname: b\n", case("a", "{code: NoEvidence}"))), 2);
}

#[test]
fn a_run_without_a_case_is_an_error() {
    let folder = folder(&[("a.yaml", case("a", "{code: NoEvidence}")), ("b.txt", String::new())]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (arguments, words) in [
        (&["empty"][..], "no case in empty"),
        (&["no/such/folder"], "no/such/folder"),
        (&[".", "--filter", "a: b"], "no case's `file: name` contains \"a: b\""),
        (&[".", "--filter", "b", "--list"], "contains \"b\""),
        (&[".", "--engine", "wasm", "--module", "no.wasm"], "no.wasm"),
        (&["b.txt"], "b.txt: no case in it"),
        (&[], "<DIR>"),
    ] {
        let (out, err, code) = test(folder.path(), arguments);
        assert_eq!((out.as_str(), code), ("", 2), "{arguments:?}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}

#[test]
fn a_failure_names_its_place_and_difference_and_a_command_that_runs_it_alone() {
    let story = format!(
        "{}---\nname: b\n{CLAIM}story:\n- step: it's there\n  expect: {{code: Ungated}}\n",
        case("the claim's \"first\" $day", "{code: Ungated}")
    );
    let folder = folder(&[("a.yaml", story)]);
    let (out, err, code) = test(folder.path(), &["."]);
    assert_eq!((err.as_str(), code), ("", 1));
    for words in [
        "FAILED ./a.yaml:1: the claim's \"first\" $day\n",
        "\n  code (- expected, + found)\n    - Ungated\n    + NoEvidence\n",
        "FAILED ./a.yaml:8: b\n  at the step it's there, line 14\n",
        "failed: 2 of 2 cases in native\n",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(!out.contains('\u{1b}'), "colour only on a terminal");
    let again: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("  to run it alone: ")).collect();
    assert_eq!(again.len(), 2);
    for again in again {
        assert!(bash(folder.path(), again).ends_with("failed: 1 of 1 case in native\n"), "{again}");
    }
}

#[test]
fn cases_are_listed_and_selected_by_their_file_and_name() {
    let folder = folder(&[("a.yaml", case("one", "{code: X}")), ("b.yaml", case("two", "{code: NoEvidence}"))]);
    assert_eq!(test(folder.path(), &[".", "--list"]).0, "a: one\nb: two\n");
    assert_eq!(test(folder.path(), &[".", "--list", "--filter", "b: "]).0, "b: two\n");
    assert_eq!(test(folder.path(), &[".", "--filter", "two"]).2, 0);
    assert_eq!(test(folder.path(), &["a.yaml", "b.yaml"]).2, 1);
}

#[test]
fn no_value_of_a_secret_is_printed_in_any_report() {
    let secret = format!(
        "{{stringData: {{RESTIC_REPOSITORY: 's3:http://{CANARY}/b', RESTIC_PASSWORD: {CANARY}, \
        AWS_ACCESS_KEY_ID: {CANARY}, AWS_SECRET_ACCESS_KEY: {CANARY}}}}}"
    );
    let expected = format!("{{kind: Secret, stringData: {{RESTIC_PASSWORD: other-{CANARY}, GONE: {CANARY}}}}}");
    let encoded = "Y2FuYXJ5LW9mLXRoZS1jcmVkZW50aWFscw==";
    let mut text = String::new();
    for (index, expect) in [
        format!("{{secret: {expected}}}"),
        format!("{{at: {{/manifests/secret/object: {expected}}}}}"),
        format!("{{at: {{/manifests/secret/object/data/RESTIC_PASSWORD: {encoded}, /manifests: {CANARY}}}}}"),
        format!("{{answer: {{manifests: {{secret: {{object: {expected}}}}}}}}}"),
    ]
    .iter()
    .enumerate()
    {
        text += &format!("---\nname: case {index}\n{CLAIM}credentials: {secret}\nexpect: {expect}\n");
    }
    text += &format!("---\nname: refused\nrequest: {{kind: {CANARY}}}\ncredentials: {secret}\nexpect: {{code: X}}\n");
    let folder = folder(&[("a.yaml", text)]);
    for output in ["text", "json"] {
        let (out, err, code) = test(folder.path(), &[".", "--junit", "junit.xml", "-o", output]);
        assert_eq!(code, 1);
        let all = out + &err + &fs::read_to_string(folder.path().join("junit.xml")).unwrap();
        assert!(!all.contains(CANARY) && !all.contains("Y2FuYXJ5"), "{all}");
        assert!(all.contains("RESTIC_PASSWORD: (another credential)"), "{all}");
    }
}

#[test]
fn a_credential_that_looks_real_causes_a_warning_without_its_value() {
    let real = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY";
    let text = case("a", "{code: NoEvidence}");
    let text =
        format!("{text}credentials: {{stringData: {{AWS_SECRET_ACCESS_KEY: {real}, RESTIC_PASSWORD: made-up}}}}\n");
    let (out, err, code) = test(folder(&[("a.yaml", text)]).path(), &["."]);
    assert_eq!((code, out.contains(real), err.contains(real)), (0, false, false));
    assert!(err.contains("./a.yaml:1: the value of AWS_SECRET_ACCESS_KEY looks real"), "{err}");
    assert!(!err.contains("RESTIC_PASSWORD"), "{err}");
}

#[test]
fn json_contains_what_text_does() {
    let folder = folder(&[("a.yaml", case("one", "{code: X}") + "---\n" + &case("two", "{code: NoEvidence}"))]);
    let (out, _, code) = test(folder.path(), &[".", "-o", "json"]);
    assert_eq!(code, 1);
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&run["passed"], &run["failed"], &run["engines"][0]), (&1.into(), &1.into(), &"native".into()));
    let failed = &run["cases"][0];
    assert_eq!((&failed["name"], &failed["line"], &failed["passed"]), (&"one".into(), &1.into(), &false.into()));
    assert_eq!(failed["faults"][0]["what"], "code");
    assert_eq!(failed["faults"][0]["lines"], serde_json::json!(["- X", "+ NoEvidence"]));
    assert_eq!(run["cases"][1]["passed"], true);
    assert_eq!(run["coverage"]["codes"]["reached"], 1);
}

#[test]
fn answers_are_accepted_and_the_others_are_reported() {
    let folder = folder(&[("a.yaml", case("a", "{code: X} # why")), ("b.yaml", case("b", "{at: {/no: 1}, code: X}"))]);
    let (out, err, code) = test(folder.path(), &["a.yaml", "--update"]);
    assert_eq!((out.as_str(), code), ("passed: 1 case in native\n", 0), "{err}");
    assert!(err.contains("a.yaml: expectations written anew: 1"), "{err}");
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), case("a", "{code: NoEvidence} # why"));
    let (out, _, code) = test(folder.path(), &[".", "--update"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("the answer has no such place"), "{out}");
}

/// A run with `--watch`, and its lines of output and errors.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = command(folder, arguments);
        let mut child = command.arg("--watch").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let sender = sender.clone();
            thread::spawn(move || BufReader::new(stream).lines().try_for_each(|line| sender.send(line.unwrap())));
        }
        Watching { child, lines }
    }

    /// Waits for a line that contains `words`; earlier lines do not count.
    fn wait_for(&mut self, words: &str) {
        // A run that never prints it must not wait until CI gives up.
        while !self.lines.recv_timeout(Duration::from_secs(60)).unwrap().contains(words) {}
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_watched_suite_runs_again_when_a_file_changes() {
    let around = folder(&[("settings.yaml", "{}".to_owned())]);
    let suite = around.path().join("suite");
    fs::create_dir(&suite).unwrap();
    let good = case("a", "{code: NoEvidence}") + "settings: ../settings.yaml\n";
    fs::write(suite.join("a.yaml"), &good).unwrap();
    let mut watching = Watching::start(around.path(), &["suite"]);
    watching.wait_for("passed: 1 case in native");
    fs::write(suite.join("b.yaml"), case("b", "{code: X}")).unwrap();
    watching.wait_for("failed: 1 of 2 cases in native");
    // An unreadable file does not end the run, and a file that replaces another is noticed.
    fs::write(suite.join("b.yaml"), "name: [").unwrap();
    watching.wait_for("error: suite/b.yaml");
    fs::write(suite.join("new"), case("b", "{code: NoEvidence}")).unwrap();
    fs::rename(suite.join("new"), suite.join("b.yaml")).unwrap();
    watching.wait_for("passed: 2 cases in native");
    fs::write(around.path().join("settings.yaml"), "gate: none").unwrap();
    watching.wait_for("failed: 1 of 2 cases in native");
}

#[test]
fn a_watched_suite_runs_again_when_the_module_changes() {
    let folder = folder(&[("a.yaml", case("a", "{code: NoEvidence}"))]);
    let modules = folder.path().join("modules");
    fs::create_dir(&modules).unwrap();
    fs::write(modules.join("policy.wasm"), "no module").unwrap();
    let module = ["a.yaml", "--engine", "wasm", "--module", "modules/policy.wasm"];
    let mut watching = Watching::start(folder.path(), &module);
    watching.wait_for("error: build the module");
    fs::copy(root().join("target/wasm/volsync-policy.wasm"), modules.join("new")).unwrap();
    fs::rename(modules.join("new"), modules.join("policy.wasm")).unwrap();
    watching.wait_for("passed: 1 case in wasm");
}

#[test]
fn the_documentation_shows_what_happens() {
    let text = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let folder = TempDir::new().unwrap();
    let consoles: Vec<&str> =
        text.split("```console\n").skip(1).map(|rest| rest.split("```\n").next().unwrap()).collect();
    assert!(consoles.len() > 4);
    for console in consoles {
        for shown in console.split("$ ").filter(|shown| !shown.is_empty()) {
            let (first, rest) = shown.split_once('\n').unwrap();
            let more: Vec<&str> = rest.lines().map_while(|line| line.strip_prefix("> ")).collect();
            let output: String = rest.lines().skip(more.len()).map(|line| format!("{line}\n")).collect();
            let script = [&[first][..], &more].concat().join("\n");
            assert_eq!(bash(folder.path(), &script), output, "{script}");
        }
    }
}
