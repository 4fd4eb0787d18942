//! The built module in wasmi, which interprets it: slower than compiled code, but without a compiler in memory. It has
//! the same limits as the module in wasmtime.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use wasmi::{
    Caller, Config, Error, Extern, Linker, Memory, Module, ResourceLimiter, Store, TrapCode, TypedFunc,
    TypedResumableCall,
};
use wasmi_core::LimiterError;

use crate::limits::{NO_MEMORY, OUTSIDE};
use crate::{CallError, Engine, Limits, Runtime, from_file};

/// The fuel after which the clock is read. A plan of an ordinary claim takes less.
const SLICE: u64 = 10_000_000;

/// An instance with more linear memory is not kept for later calls, because linear memory never shrinks.
const KEPT: usize = 4 << 20;

/// How deep functions of the guest may be nested. Its own stack, which is in its linear memory, ends before that.
const DEPTH: usize = 50_000;

/// Bytes for the values of nested functions.
const STACK: usize = 16 << 20;

/// Functions that a guest may name in its table.
const TABLE: usize = 10_000;

/// A waPC module in wasmi.
///
/// An instance is reused by later calls, unless its memory has become large. A call that fails discards its instance.
pub struct Interpreter {
    module: Module,
    linker: Linker<Call>,
    limits: Limits,
    warm: Mutex<Option<Guest>>,
}

impl Interpreter {
    /// Loads the module at `path`.
    ///
    /// # Errors
    ///
    /// A sentence: the file cannot be read, is not a module, or imports something that a waPC host does not offer.
    pub fn from_file(path: &Path, limits: Limits) -> Result<Self, String> {
        from_file(path, |module| Interpreter::from_bytes(module, limits))
    }

    /// Reads a module. Its functions are checked now, and translated when they are first called.
    ///
    /// # Errors
    ///
    /// The same as those of [`Interpreter::from_file`].
    pub fn from_bytes(module: &[u8], limits: Limits) -> Result<Self, String> {
        Interpreter::read(module, limits).map_err(|error| error.to_string())
    }

    fn read(module: &[u8], limits: Limits) -> Result<Self, Error> {
        let mut config = Config::default();
        config.consume_fuel(true).ignore_custom_sections(true);
        config.set_max_recursion_depth(DEPTH).set_max_stack_height(STACK);
        let engine = wasmi::Engine::new(&config);
        let module = Module::new(&engine, module)?;
        let interpreter = Interpreter { linker: linker(&engine)?, module, limits, warm: Mutex::new(None) };
        // An instance shows whether the linker has all that the module imports.
        let guest = interpreter.instantiate()?;
        Ok(Interpreter { warm: Mutex::new(Some(guest)), ..interpreter })
    }

    fn instantiate(&self) -> Result<Guest, Error> {
        let mut store = Store::new(self.module.engine(), Call::default());
        store.data_mut().memory.0 = self.limits.memory;
        store.limiter(|call| &mut call.memory);
        store.set_fuel(self.limits.fuel)?;
        let instance = self.linker.instantiate_and_start(&mut store, &self.module)?;
        // The initialisers of waPC, as far as the guest has them.
        for name in ["_start", "wapc_init"] {
            if let Ok(start) = instance.get_typed_func::<(), ()>(&store, name) {
                start.call(&mut store, ())?;
            }
        }
        let call = instance.get_typed_func(&store, "__guest_call").ok();
        let memory = instance.get_memory(&store, "memory");
        Ok(Guest { store, call, memory })
    }

    /// Runs an operation. The inner error is that of the operation.
    fn run(&self, guest: &mut Guest, operation: &str, payload: &[u8]) -> Result<Result<Vec<u8>, String>, Error> {
        let store = &mut guest.store;
        let memory = std::mem::take(&mut store.data_mut().memory);
        *store.data_mut() = Call { operation: operation.into(), payload: payload.into(), memory, ..Call::default() };
        let length = |bytes: &[u8]| i32::try_from(bytes.len()).map_err(|error| Error::new(error.to_string()));
        let lengths = (length(operation.as_bytes())?, length(payload)?);
        let call = guest.call.as_ref().ok_or_else(|| Error::new("it exports no function `__guest_call`"))?;
        let done = self.within_limits(store, call, lengths)?;
        let call = store.data_mut();
        Ok(match done {
            1 => Ok(std::mem::take(&mut call.response)),
            _ => Err(String::from_utf8_lossy(&call.error).into_owned()),
        })
    }

    /// Calls a function of the guest, and lets it go on, one slice of fuel after another, until it ends or exceeds a
    /// limit.
    fn within_limits(&self, store: &mut Store<Call>, call: &Function, lengths: (i32, i32)) -> Result<i32, Error> {
        let Limits { fuel, time, .. } = self.limits;
        let start = Instant::now();
        let mut left = fuel.saturating_sub(SLICE);
        store.set_fuel(fuel.min(SLICE))?;
        let mut state = call.call_resumable(&mut *store, lengths)?;
        loop {
            match state {
                TypedResumableCall::Finished(done) => return Ok(done),
                TypedResumableCall::HostTrap(trap) => return Err(Error::new(trap.host_error().to_string())),
                TypedResumableCall::OutOfFuel(stopped) => {
                    let needed = stopped.required_fuel();
                    if left < needed {
                        return Err(Error::new(self.limits.out_of_fuel()));
                    }
                    if start.elapsed() >= time {
                        return Err(Error::new(self.limits.out_of_time()));
                    }
                    let next = left.min(SLICE.max(needed));
                    left -= next;
                    store.set_fuel(next)?;
                    state = stopped.resume(&mut *store)?;
                }
            }
        }
    }
}

impl Engine for Interpreter {
    fn name(&self) -> &'static str {
        Runtime::Wasmi.name()
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        let warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = warm.map_or_else(|| self.instantiate(), Ok).and_then(|mut guest| {
            let answer = self.run(&mut guest, operation, payload)?;
            if guest.memory.is_none_or(|memory| memory.data_size(&guest.store) <= KEPT) {
                *self.warm.lock().unwrap_or_else(PoisonError::into_inner) = Some(guest);
            }
            Ok(answer)
        });
        match answer {
            Ok(answer) => answer.map_err(CallError::Refused),
            Err(error) => Err(CallError::Failed(in_words(&error, self.limits))),
        }
    }
}

/// `__guest_call` of a waPC guest: it gets the lengths of the operation's name and of the payload.
type Function = TypedFunc<(i32, i32), i32>;

/// An instance, ready to be called.
struct Guest {
    store: Store<Call>,
    call: Option<Function>,
    memory: Option<Memory>,
}

/// What host and guest pass to each other during one call.
#[derive(Default)]
struct Call {
    operation: Vec<u8>,
    payload: Vec<u8>,
    response: Vec<u8>,
    error: Vec<u8>,
    memory: MemoryLimit,
}

/// How many bytes of linear memory an instance may have.
#[derive(Default)]
struct MemoryLimit(usize);

// A growth for which a slice of fuel does not suffice is no failure: it is tried again with the next slice.
impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool, LimiterError> {
        if desired > self.0 {
            return Err(LimiterError::ResourceLimiterDeniedAllocation);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        Ok(desired <= TABLE)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// The functions that a waPC host offers. The policy never calls its host, so host calls get an empty error.
fn linker(engine: &wasmi::Engine) -> Result<Linker<Call>, Error> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("wapc", "__guest_request", |mut guest: Caller<'_, Call>, operation: u32, payload: u32| {
        let memory = memory(&guest)?;
        let (bytes, call) = memory.data_and_store_mut(&mut guest);
        write(bytes, operation, &call.operation)?;
        write(bytes, payload, &call.payload)
    })?;
    linker.func_wrap("wapc", "__guest_response", |mut guest: Caller<'_, Call>, at: u32, length: u32| {
        guest.data_mut().response = read(&guest, at, length)?;
        Ok(())
    })?;
    linker.func_wrap("wapc", "__guest_error", |mut guest: Caller<'_, Call>, at: u32, length: u32| {
        guest.data_mut().error = read(&guest, at, length)?;
        Ok(())
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

fn memory(guest: &Caller<'_, Call>) -> Result<Memory, Error> {
    guest.get_export("memory").and_then(Extern::into_memory).ok_or_else(|| Error::new(NO_MEMORY))
}

fn read(guest: &Caller<'_, Call>, at: u32, length: u32) -> Result<Vec<u8>, Error> {
    let from = at as usize;
    let bytes = memory(guest)?.data(guest).get(from..from.saturating_add(length as usize));
    bytes.map(<[u8]>::to_vec).ok_or_else(|| Error::new(OUTSIDE))
}

fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<(), Error> {
    let from = at as usize;
    let place = memory.get_mut(from..from.saturating_add(bytes.len()));
    place.ok_or_else(|| Error::new(OUTSIDE))?.copy_from_slice(bytes);
    Ok(())
}

fn in_words(error: &Error, limits: Limits) -> String {
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => limits.out_of_fuel(),
        Some(TrapCode::GrowthOperationLimited) => format!("it needed more than {} bytes of memory", limits.memory),
        _ => error.to_string(),
    }
}
