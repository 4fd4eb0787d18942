//! The policy as a waPC guest, which Kubewarden and any other waPC host can load.
//!
//! It adds nothing to [`volsync_policy::guest`]: the code that runs here is the code that is tested natively.
#![cfg(target_arch = "wasm32")]

/// The host calls it once, before anything else.
// SAFETY: waPC looks the symbol up by this name, and nothing else in the module has it.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    for (name, operation) in volsync_policy::guest::OPERATIONS {
        wapc_guest::register_function(name, operation);
    }
}
