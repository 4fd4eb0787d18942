//! The built module in wasmtime, with limits: whatever a guest does is an error of that call, and does not affect the
//! process.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::{
    Caller, Config, Extern, InstancePre, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, Trap,
    TypedFunc,
};

use crate::limits::{NO_MEMORY, OUTSIDE};
use crate::{CallError, Engine, Limits, Runtime, from_file};

/// What one call used of its [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Units of wasmtime's fuel, which are the same in every run. Starting a new instance is not counted.
    pub fuel: u64,
    /// Bytes of the instance's linear memory after the call. Linear memory never shrinks.
    pub memory: usize,
}

/// How often the time limit is checked.
const TICK: Duration = Duration::from_millis(100);

/// A waPC module in wasmtime.
///
/// An instance is reused by later calls. A call that fails discards its instance.
pub struct Wasm {
    engine: wasmtime::Engine,
    guest: InstancePre<Call>,
    limits: Limits,
    warm: Mutex<Option<Guest>>,
    _clock: Clock,
}

impl Wasm {
    /// Loads and compiles the module at `path`.
    ///
    /// # Errors
    ///
    /// A sentence: the file cannot be read, is not a module, or imports something that a waPC host does not offer.
    pub fn from_file(path: &Path, limits: Limits) -> Result<Self, String> {
        from_file(path, |module| Wasm::from_bytes(module, limits))
    }

    /// Compiles a module.
    ///
    /// # Errors
    ///
    /// The same as those of [`Wasm::from_file`].
    pub fn from_bytes(module: &[u8], limits: Limits) -> Result<Self, String> {
        Wasm::compile(module, limits).map_err(|error| format!("{error:#}"))
    }

    fn compile(module: &[u8], limits: Limits) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.consume_fuel(true).epoch_interruption(true);
        let engine = wasmtime::Engine::new(&config)?;
        let module = Module::new(&engine, module)?;
        let guest = linker(&engine)?.instantiate_pre(&module)?;
        let clock = Clock::start(engine.clone());
        Ok(Wasm { engine, guest, limits, warm: Mutex::new(None), _clock: clock })
    }

    /// Runs an operation. The inner error is that of the operation.
    fn run(&self, guest: &mut Guest, operation: &str, payload: &[u8]) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.allow(&mut guest.store)?;
        let limits = std::mem::take(&mut guest.store.data_mut().limits);
        *guest.store.data_mut() =
            Call { operation: operation.into(), payload: payload.into(), limits, ..Call::default() };
        let lengths = (i32::try_from(operation.len())?, i32::try_from(payload.len())?);
        let done = guest.call.call(&mut guest.store, lengths)?;
        let call = guest.store.data_mut();
        Ok(match done {
            1 => Ok(std::mem::take(&mut call.response)),
            _ => Err(String::from_utf8_lossy(&call.error).into_owned()),
        })
    }

    fn instantiate(&self) -> wasmtime::Result<Guest> {
        let limits = StoreLimitsBuilder::new().memory_size(self.limits.memory).trap_on_grow_failure(true).build();
        let mut store = Store::new(&self.engine, Call { limits, ..Call::default() });
        store.limiter(|call| &mut call.limits);
        self.allow(&mut store)?;
        let instance = self.guest.instantiate(&mut store)?;
        // The initialisers of waPC, as far as the guest has them.
        for name in ["_start", "wapc_init"] {
            if let Ok(start) = instance.get_typed_func::<(), ()>(&mut store, name) {
                start.call(&mut store, ())?;
            }
        }
        let call = instance.get_typed_func(&mut store, "__guest_call")?;
        let memory = instance.get_memory(&mut store, "memory");
        Ok(Guest { store, call, memory })
    }

    /// Like [`Engine::call`], and also returns what the call used.
    ///
    /// # Errors
    ///
    /// The same as those of [`Engine::call`].
    pub fn metered(&self, operation: &str, payload: &[u8]) -> Result<(Vec<u8>, Used), CallError> {
        let warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = warm.map_or_else(|| self.instantiate(), Ok).and_then(|mut guest| {
            let answer = self.run(&mut guest, operation, payload)?;
            let used = guest.used(self.limits)?;
            Ok((guest, answer, used))
        });
        match answer {
            Ok((guest, answer, used)) => {
                *self.warm.lock().unwrap_or_else(PoisonError::into_inner) = Some(guest);
                answer.map(|answer| (answer, used)).map_err(CallError::Refused)
            }
            Err(error) => Err(CallError::Failed(in_words(&error, self.limits))),
        }
    }

    /// Sets the fuel and the time of one call.
    fn allow(&self, store: &mut Store<Call>) -> wasmtime::Result<()> {
        let ticks = self.limits.time.as_millis().div_ceil(TICK.as_millis());
        store.set_epoch_deadline(u64::try_from(ticks)?.saturating_add(1));
        store.set_fuel(self.limits.fuel)
    }
}

impl Engine for Wasm {
    fn name(&self) -> &'static str {
        Runtime::Wasmtime.name()
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        self.metered(operation, payload).map(|(answer, _)| answer)
    }
}

/// An instance, ready to be called.
struct Guest {
    store: Store<Call>,
    call: TypedFunc<(i32, i32), i32>,
    memory: Option<Memory>,
}

impl Guest {
    /// What the instance used since it was given `limits`.
    fn used(&self, limits: Limits) -> wasmtime::Result<Used> {
        let fuel = limits.fuel.saturating_sub(self.store.get_fuel()?);
        Ok(Used { fuel, memory: self.memory.map_or(0, |memory| memory.data_size(&self.store)) })
    }
}

/// What host and guest pass to each other during one call.
#[derive(Default)]
struct Call {
    operation: Vec<u8>,
    payload: Vec<u8>,
    response: Vec<u8>,
    error: Vec<u8>,
    limits: StoreLimits,
}

/// The functions that a waPC host offers. The policy never calls its host, so host calls get an empty error.
fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Call>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("wapc", "__guest_request", |mut guest: Caller<'_, Call>, operation: u32, payload: u32| {
        let memory = memory(&mut guest)?;
        let (bytes, call) = memory.data_and_store_mut(&mut guest);
        write(bytes, operation, &call.operation)?;
        write(bytes, payload, &call.payload)
    })?;
    linker.func_wrap("wapc", "__guest_response", |mut guest: Caller<'_, Call>, at: u32, length: u32| {
        guest.data_mut().response = read(&mut guest, at, length)?;
        wasmtime::Result::Ok(())
    })?;
    linker.func_wrap("wapc", "__guest_error", |mut guest: Caller<'_, Call>, at: u32, length: u32| {
        guest.data_mut().error = read(&mut guest, at, length)?;
        wasmtime::Result::Ok(())
    })?;
    linker.func_wrap("wapc", "__console_log", |_: u32, _: u32| {})?;
    linker.func_wrap(
        "wapc",
        "__host_call",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| -> u32 { 0 },
    )?;
    linker.func_wrap("wapc", "__host_response", |_: u32| {})?;
    linker.func_wrap("wapc", "__host_response_len", || -> u32 { 0 })?;
    linker.func_wrap("wapc", "__host_error", |_: u32| {})?;
    linker.func_wrap("wapc", "__host_error_len", || -> u32 { 0 })?;
    Ok(linker)
}

fn memory(guest: &mut Caller<'_, Call>) -> wasmtime::Result<Memory> {
    guest.get_export("memory").and_then(Extern::into_memory).ok_or_else(|| wasmtime::Error::msg(NO_MEMORY))
}

fn read(guest: &mut Caller<'_, Call>, at: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = memory(guest)?;
    let from = at as usize;
    let bytes = memory.data(&*guest).get(from..from.saturating_add(length as usize));
    bytes.map(<[u8]>::to_vec).ok_or_else(outside)
}

fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    let from = at as usize;
    memory.get_mut(from..from.saturating_add(bytes.len())).ok_or_else(outside)?.copy_from_slice(bytes);
    Ok(())
}

fn outside() -> wasmtime::Error {
    wasmtime::Error::msg(OUTSIDE)
}

fn in_words(error: &wasmtime::Error, limits: Limits) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => limits.out_of_fuel(),
        Some(Trap::Interrupt) => limits.out_of_time(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    }
}

/// Advances the engine's epoch, so that no guest exceeds its time. Stops together with the engine.
struct Clock {
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    fn start(engine: wasmtime::Engine) -> Self {
        let (running, ended) = mpsc::channel();
        let tick = move || {
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        Clock { running: Some(running), thread: Some(thread::spawn(tick)) }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        drop(self.running.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}
