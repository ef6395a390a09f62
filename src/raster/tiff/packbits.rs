//! PackBits, the run-length coding of TIFF 6.0, section 9.

/// Fills `decoded` and returns how many bytes the stream held for it; what follows in the stream is not looked at.
pub(super) fn decode(mut encoded: &[u8], decoded: &mut [u8]) -> usize {
    let mut written = 0;
    while written < decoded.len() {
        let Some((&head, rest)) = encoded.split_first() else { break };
        encoded = rest;
        let room = &mut decoded[written..];
        match head as i8 {
            -128 => {}
            literals @ 0.. => {
                let length = (literals as usize + 1).min(rest.len());
                let taken = length.min(room.len());
                room[..taken].copy_from_slice(&rest[..taken]);
                encoded = &rest[length..];
                written += taken;
            }
            repeats => {
                let Some((&byte, rest)) = rest.split_first() else { break };
                encoded = rest;
                let taken = (1 + usize::from(repeats.unsigned_abs())).min(room.len());
                room[..taken].fill(byte);
                written += taken;
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::decode;

    /// The example of TIFF 6.0, section 9.
    #[test]
    fn example_of_the_specification_is_decoded() {
        let packed = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa];
        let unpacked = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22, 0xaa, 0xaa, 0xaa, 0xaa,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        let mut decoded = [0; 24];
        assert_eq!((decode(&packed, &mut decoded), decoded), (24, unpacked));
        assert_eq!(decode(&packed[..7], &mut decoded), 6, "a stream cut short says so");
        assert_eq!(decode(&packed, &mut decoded[..5]), 5, "a run never passes the buffer");
    }
}
