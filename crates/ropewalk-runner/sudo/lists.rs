//! Strings of the kernel and for the kernel, in fixed space.

use crate::call::fail;
use core::ffi::CStr;
use core::ptr::null;

/// Arguments or environment as the kernel gives them.
#[derive(Clone, Copy)]
pub(crate) struct Strings(pub(crate) *const *const u8);

impl Strings {
    pub(crate) fn get(self, at: usize) -> Option<&'static [u8]> {
        // SAFETY: the kernel ends the list with a null pointer, and nobody asks past it.
        let text = unsafe { *self.0.add(at) };
        // SAFETY: as above; every string ends with a zero byte and lives as long as the process.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text.cast()) }.to_bytes())
    }
}

/// Space for strings that the kernel will read.
pub(crate) struct Arena {
    pub(crate) bytes: [u8; 131_072],
    pub(crate) used: usize,
}

impl Arena {
    /// The parts as one string that ends with a zero byte.
    pub(crate) fn join(&mut self, parts: &[&[u8]]) -> *const u8 {
        let start = self.used;
        for byte in parts.iter().flat_map(|part| part.iter()).chain(&[0]) {
            match self.bytes.get_mut(self.used) {
                Some(place) => *place = *byte,
                None => fail(&[b"environment too long"]),
            }
            self.used += 1;
        }
        self.bytes.get(start..).map_or(null(), <[u8]>::as_ptr)
    }
}

/// A list of strings for the kernel.
pub(crate) struct List {
    pub(crate) items: [*const u8; 4096],
    pub(crate) used: usize,
}

impl List {
    pub(crate) fn push(&mut self, item: *const u8) {
        // One place is left for the null pointer at the end.
        match self.items.get_mut(self.used..).filter(|left| left.len() > 1) {
            Some([place, ..]) => *place = item,
            _ => fail(&[b"too many arguments or variables"]),
        }
        self.used += 1;
    }
}

pub(crate) fn name_of(assignment: &[u8]) -> &[u8] {
    assignment.split(|byte| *byte == b'=').next().unwrap_or_default()
}

pub(crate) fn text(item: *const u8) -> &'static [u8] {
    // SAFETY: every item of a list is a string of the kernel's or of the arena's.
    unsafe { CStr::from_ptr(item.cast()) }.to_bytes()
}

pub(crate) fn lookup(list: &List, name: &[u8]) -> Option<&'static [u8]> {
    let items = list.items.get(..list.used).unwrap_or_default();
    let found = items.iter().map(|item| text(*item)).find(|variable| name_of(variable) == name)?;
    found.get(name.len() + 1..)
}

pub(crate) fn set(list: &mut List, arena: &mut Arena, name: &[u8], value: &[u8]) {
    let new = arena.join(&[name, b"=", value]);
    put(list, name, new);
}

pub(crate) fn replace(list: &mut List, arena: &mut Arena, assignment: &[u8]) {
    let new = arena.join(&[assignment]);
    put(list, name_of(assignment), new);
}

pub(crate) fn put(list: &mut List, name: &[u8], new: *const u8) {
    let used = list.used;
    let items = list.items.get_mut(..used).unwrap_or_default();
    match items.iter_mut().find(|item| name_of(text(**item)) == name) {
        Some(item) => *item = new,
        None => list.push(new),
    }
}
