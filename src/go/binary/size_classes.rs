//! The allocator's size classes and the lines it draws between kinds of objects.
//!
//! The table of classes is the same from Go 1.16 to 1.27 (`class_to_size` in runtime/sizeclasses.go; since 1.25
//! `SizeClassToSize` in internal/runtime/gc/sizeclasses.go). Every binary carries it, so a build with another table is
//! noticed instead of being counted wrongly.

use super::Binary;

/// Bytes of an object of each class; class 0 stands for objects too large for any.
pub const CLASS_BYTES: [u16; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
    352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
    2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
    32768,
];

/// Bytes of a page of the Go heap (`_PageSize`, runtime/malloc.go).
pub const PAGE_BYTES: u32 = 8192;

/// Offset of `PtrBytes` in a type descriptor: 0 there means that values of the type hold no pointers
/// (`abi.Type`, internal/abi/type.go; `_type.ptrdata`, runtime/type.go, until Go 1.20).
pub const TYPE_PTR_BYTES: u32 = 8;

/// Where the allocator draws its lines, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pointer-free objects smaller than this share 16-byte blocks (`maxTinySize`, runtime/malloc.go).
    pub tiny_below: u32,
    /// Larger objects get pages of their own (`maxSmallSize`; with malloc headers less the room for one).
    pub small_max: u32,
    /// Objects with pointers larger than this carry a malloc header; `None` if there are no headers
    /// (`heapBitsInSpan`, runtime/mbitmap.go).
    pub header_above: Option<u32>,
    /// Bytes of that header (`mallocHeaderSize`).
    pub header_bytes: u32,
}

impl Limits {
    /// The lines in a runtime with or without malloc headers (Go 1.22 brought them).
    pub fn new(has_headers: bool) -> Self {
        Self {
            tiny_below: 16,
            small_max: if has_headers { 32768 - 8 } else { 32768 },
            header_above: has_headers.then_some(512),
            header_bytes: 8,
        }
    }
}

/// Whether the binary holds the table of [`CLASS_BYTES`].
pub fn has_known_classes(binary: &Binary) -> bool {
    let table: Vec<u8> = CLASS_BYTES
        .iter()
        .flat_map(|size| size.to_le_bytes())
        .collect();
    let image = binary.image();
    let mut data = image.segments().iter().filter(|segment| !segment.exec);
    data.any(|segment| image.holds(segment, &table))
}

/// The class of a small object of this many bytes (1 to 32768): the smallest that holds it.
pub fn class_of(size: u32) -> Option<u8> {
    let class = CLASS_BYTES
        .iter()
        .skip(1)
        .position(|bytes| u32::from(*bytes) >= size)?;
    u8::try_from(class + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_put_into_them() {
        for size in 1..=32768 {
            let class = usize::from(class_of(size).unwrap());
            assert!(u32::from(CLASS_BYTES[class]) >= size);
            assert!(class == 1 || u32::from(CLASS_BYTES[class - 1]) < size);
        }
        assert_eq!(class_of(32769), None);
    }
}
