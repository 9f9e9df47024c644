//! The fields of a protocol buffer that anybody may have made: read or refused, without copies.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// What is said of what cannot be read.
pub(super) const DAMAGED: &str = "it is no profile as `go tool pprof` takes it, or a damaged one";

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'b> {
    /// A number.
    Number(u64),
    /// A text, a message, or numbers packed together.
    Bytes(&'b [u8]),
}

/// The fields that are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'b> {
    bytes: &'b [u8],
}

impl<'b> Fields<'b> {
    /// All fields of a message.
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The next one: its number and its value.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'b>)>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).context(DAMAGED)?)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => bail!(DAMAGED),
        };
        Ok(Some((key >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).context(DAMAGED)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first().context(DAMAGED)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        bail!(DAMAGED)
    }
}

impl<'b> Value<'b> {
    /// A number.
    pub(super) fn number(self) -> Result<u64> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) => bail!(DAMAGED),
        }
    }

    /// Bytes.
    pub(super) fn bytes(self) -> Result<&'b [u8]> {
        match self {
            Self::Number(_) => bail!(DAMAGED),
            Self::Bytes(bytes) => Ok(bytes),
        }
    }

    /// The fields of a message.
    pub(super) fn message(self) -> Result<Fields<'b>> {
        Ok(Fields::of(self.bytes()?))
    }

    /// One number, or several packed.
    pub(super) fn numbers(self, mut each: impl FnMut(u64) -> Result<()>) -> Result<()> {
        match self {
            Self::Number(number) => each(number),
            Self::Bytes(bytes) => {
                let mut packed = Fields::of(bytes);
                while !packed.bytes.is_empty() {
                    each(packed.varint()?)?;
                }
                Ok(())
            }
        }
    }
}
