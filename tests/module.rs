//! The built module: what it imports and costs, and how the engine handles a guest that misbehaves.

use std::collections::BTreeSet;
use std::time::Duration;

use volsync_policy::guest::OPERATIONS;
use volsync_policy_engine::{CallError, Engine, Interpreter, Limits, Runtime, Wasm};
use volsync_policy_tests::{engines, example, module, root};
use wasmparser::{ExternalKind, Parser, Payload};

/// The engines that run a module.
type Modules = [Box<dyn Engine>; 2];

/// A module in every engine that runs one.
fn load(module: &[u8], limits: Limits) -> Modules {
    [Box::new(Wasm::from_bytes(module, limits).unwrap()), Box::new(Interpreter::from_bytes(module, limits).unwrap())]
}

/// A guest whose `__guest_call` has this body. It gets two lengths, and returns 1 if it answered.
fn guest(body: &str, limits: Limits) -> Modules {
    let text = format!(
        r#"(module
            (import "wapc" "__guest_response" (func $respond (param i32 i32)))
            (import "wapc" "__guest_request" (func $request (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "fine")
            (func (export "__guest_call") (param $operation i32) (param $payload i32) (result i32) {body}))"#
    );
    load(&wat::parse_str(text).unwrap(), limits)
}

/// The errors with which a call of such a guest fails.
fn failures(body: &str, limits: Limits) -> [String; 2] {
    guest(body, limits).map(|guest| match guest.call("plan", b"{}") {
        Err(CallError::Failed(error)) => error,
        Err(CallError::Refused(_)) | Ok(_) => panic!("{body} came to an end in {}", guest.name()),
    })
}

#[test]
fn it_imports_and_exports_only_what_a_wapc_host_needs() {
    let bytes = std::fs::read(module()).unwrap();
    let (mut imports, mut exports) = (BTreeSet::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                imports.extend(section.into_imports().map(|import| import.unwrap()).map(|it| (it.module, it.name)));
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|export| export.unwrap()).map(|e| (e.name.to_owned(), e.kind)));
            }
            _ => {}
        }
    }
    // There is no `__host_call`: the module asks nothing of its host.
    let expected = ["__guest_error", "__guest_request", "__guest_response"].map(|name| ("wapc", name));
    assert_eq!(imports, BTreeSet::from(expected));
    for (name, kind) in
        [("memory", ExternalKind::Memory), ("__guest_call", ExternalKind::Func), ("wapc_init", ExternalKind::Func)]
    {
        assert!(exports.contains(&(name.to_owned(), kind)), "{exports:?}");
    }
}

#[test]
fn it_contains_no_path_of_the_machine_that_built_it() {
    let text = String::from_utf8_lossy(&std::fs::read(module()).unwrap()).into_owned();
    let home = std::env::var("HOME").unwrap();
    for path in [root().to_str().unwrap(), &format!("{home}/.cargo"), ".cargo/registry"] {
        assert!(!text.contains(path), "{path}");
    }
}

#[test]
fn it_runs_in_two_engines_beside_native_code() {
    assert_eq!(engines().map(Engine::name), ["native", "wasm", "wasmi"]);
}

#[test]
fn it_has_exactly_the_documented_operations() {
    for engine in engines() {
        for (operation, _) in OPERATIONS {
            // Each operation has its own error for this payload, and none of them is unknown.
            if let Err(error) = engine.call(operation, b"[]") {
                assert!(error.to_string().starts_with("{\"problems\":"), "{operation}: {error}");
            }
        }
        let unknown = "No handler registered for function wapc_init".to_owned();
        assert_eq!(engine.call("wapc_init", b"").unwrap_err(), CallError::Refused(unknown));
        assert_eq!(engine.call("protocol_version", b"").unwrap(), br#""v1""#);
    }
}

#[test]
fn garbage_is_refused_by_every_engine_and_never_traps() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let expression = format!("{{{{ {}a{} }}}}", "(".repeat(190), ")".repeat(190));
    let nested = format!(r#"{{"settings":{{"backup":{{"storageClassName":"{expression}"}}}},"request":{{"kind":7}}}}"#);
    let long = " ".repeat(volsync_policy::LONGEST_REVIEW + 1);
    let payloads = ["", "{", "null", "7", "\u{feff}{}", "{\"request\":{}}", "\"\\ud800\"", &deep, &nested, &long];
    for payload in payloads {
        for (operation, _) in OPERATIONS {
            let [native, compiled, interpreted] = engines().map(|engine| engine.call(operation, payload.as_bytes()));
            assert_eq!(native, compiled, "{operation}: {:.80}", payload);
            assert_eq!(native, interpreted, "{operation}: {:.80}", payload);
            assert!(!matches!(native, Err(CallError::Failed(_))));
        }
    }
}

#[test]
fn a_review_of_the_maximum_length_is_planned_by_every_engine() {
    // For its length, nothing takes more memory than many small objects.
    let head = br#"{"request":{"kind":"PersistentVolumeClaim","metadata":{"name":"a","namespace":"b","labels":{
        "backup":"hourly"}},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"x":["#;
    let mut review = head.to_vec();
    while review.len() + 20 < volsync_policy::LONGEST_REVIEW {
        review.extend(br#"{"a":1},"#);
    }
    review.extend(b"0]}}");
    // Fuel and memory are the same on every machine; the time depends on what else runs there.
    let limits = Limits { time: Duration::from_secs(600), ..Limits::default() };
    let modules = load(&std::fs::read(module()).unwrap(), limits);
    let [native, ..] = engines();
    for operation in ["plan", "validate"] {
        let planned = native.call(operation, &review);
        assert!(planned.is_ok());
        for module in &modules {
            let answer = module.call(operation, &review);
            let error = || answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert!(planned == answer, "{} {operation}: {:.200}", module.name(), error());
        }
    }
}

/// The budget for the size of the module, which a policy server loads, in bytes. Five percent more are not worth an
/// investigation. The page has its own module, whose budget is its size on the wire.
const SIZE: u64 = 614_400;

#[test]
fn it_is_no_larger_than_recorded() {
    let bytes = std::fs::read(module()).unwrap();
    let of_section = |payload: Payload<'_>| match payload {
        // Sections for people, which are never executed.
        Payload::CustomSection(_) => 0,
        other => other.as_section().map_or(0, |(_, range)| range.end - range.start),
    };
    let size: u64 = Parser::new(0).parse_all(&bytes).map(|payload| of_section(payload.unwrap())).sum();
    assert!(
        size <= SIZE + SIZE / 20,
        "{size} bytes, not {SIZE}; a build with `profile.wasm.strip = false` shows which functions grew"
    );
}

/// The budget for a plan of the example claim in the module, in units of wasmtime's fuel. Five percent more are not
/// worth an investigation.
const FUEL: u64 = 204_400;

#[test]
fn a_plan_takes_no_more_instructions_than_recorded() {
    let wasm = Wasm::from_file(&module(), Limits::default()).unwrap();
    let (_, used) = wasm.metered("plan", &example()).unwrap();
    assert!(
        used.fuel <= FUEL + FUEL / 20,
        "{} units of fuel, not {FUEL}; `cargo xtask bench --only calls,counts` shows which part of a call grew",
        used.fuel
    );
}

#[test]
fn an_instance_can_be_called_again_and_again() {
    let review = br#"{"request":{"kind":"PersistentVolumeClaim","metadata":{"name":"a","namespace":"b"}}}"#;
    let [native, modules @ ..] = engines();
    let first = native.call("plan", review).unwrap();
    for _ in 0..100 {
        for module in modules {
            assert_eq!(module.call("plan", review).unwrap(), first);
        }
    }
}

#[test]
fn a_guest_that_traps_fails_only_its_own_call() {
    // It traps if the name of the operation has four letters, and answers any other call.
    let body = r"local.get $operation i32.const 4 i32.eq if unreachable end
                 i32.const 0 i32.const 4 call $respond i32.const 1";
    for guest in guest(body, Limits::default()) {
        assert_eq!(guest.call("other", b"").unwrap(), b"fine");
        assert!(matches!(guest.call("plan", b""), Err(CallError::Failed(_))));
        assert_eq!(guest.call("other", b"").unwrap(), b"fine");
    }
}

#[test]
fn a_guest_that_never_ends_runs_out_of_fuel_or_time() {
    let endless = "(loop br 0) i32.const 1";
    let little_fuel = Limits { fuel: 100_000, ..Limits::default() };
    assert_eq!(failures(endless, little_fuel), ["it used more than 100000 units of fuel"; 2]);
    let little_time = Limits { fuel: u64::MAX, time: Duration::from_millis(200), ..Limits::default() };
    assert_eq!(failures(endless, little_time), ["it took longer than 200ms"; 2]);
}

#[test]
fn a_guest_that_grows_without_bound_is_stopped() {
    let growing = "(loop i32.const 1 memory.grow drop br 0) i32.const 1";
    for error in failures(growing, Limits { memory: 1 << 20, ..Limits::default() }) {
        assert!(error.contains("memory"), "{error}");
    }
}

#[test]
fn a_guest_that_points_outside_its_memory_is_stopped() {
    let outside = ["it named a place outside its memory"; 2];
    assert_eq!(failures("i32.const 65530 i32.const 100 call $respond i32.const 1", Limits::default()), outside);
    assert_eq!(failures("i32.const -1 i32.const -1 call $respond i32.const 1", Limits::default()), outside);
    assert_eq!(failures("i32.const 65535 i32.const 0 call $request i32.const 1", Limits::default()), outside);
}

#[test]
fn a_guest_that_overflows_its_stack_is_stopped() {
    let text = r#"(module (memory (export "memory") 1)
        (func $f (param i32 i32) (result i32) local.get 0 local.get 1 call $f i32.const 1 i32.add)
        (export "__guest_call" (func $f)))"#;
    for guest in load(&wat::parse_str(text).unwrap(), Limits::default()) {
        assert!(matches!(guest.call("plan", b""), Err(CallError::Failed(_))));
    }
}

#[test]
fn a_file_that_is_not_a_guest_is_refused_when_it_is_loaded() {
    let is_refused = |module: &[u8], word: &str| {
        for error in [
            Wasm::from_bytes(module, Limits::default()).err(),
            Interpreter::from_bytes(module, Limits::default()).err(),
        ] {
            assert!(error.as_ref().is_some_and(|error| error.contains(word)), "{error:?}");
        }
    };
    is_refused(&wat::parse_str(r#"(module (import "env" "abort" (func)))"#).unwrap(), "env");
    is_refused(b"no module", "");
    for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
        let error = volsync_policy_engine::load(runtime, Some("no/such/file.wasm".as_ref())).err().unwrap();
        assert!(error.to_string().contains("no/such/file"), "{error}");
    }
    for empty in load(&wat::parse_str("(module)").unwrap(), Limits::default()) {
        assert!(matches!(empty.call("plan", b""), Err(CallError::Failed(_))));
    }
}
