use crate::record::Compression;

/// What is wrong with a record batch. `Truncated` to `Checksum` mean that bytes are missing or
/// damaged; the later ones, that whoever built the batch did so wrongly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("the batch wants {wanted} bytes, {left} are left")]
    Truncated { wanted: usize, left: usize },
    #[error("the length {length} is not possible for a batch")]
    Length { length: i32 },
    #[error("the checksum is {stored:08x}, the bytes have {computed:08x}")]
    Checksum { stored: u32, computed: u32 },
    #[error("message format {magic} is no longer served: only record batches (format 2) are")]
    OldFormat { magic: i8 },
    #[error("message format {magic} is not known: record batches have format 2")]
    UnknownFormat { magic: i8 },
    #[error("the attributes name compression {id}, which is not known")]
    UnknownCompression { id: i16 },
    #[error("{count} records cannot be in the {bytes} bytes of the batch")]
    Count { count: i32, bytes: usize },
    #[error("{count} records, but offsets up to {last_offset_delta} from the base")]
    OffsetRange { count: i32, last_offset_delta: i32 },
    #[error("a producer id, but the base sequence is {base_sequence}")]
    Sequence { base_sequence: i32 },
    #[error("the records are not {codec} data: {reason}")]
    Compressed { codec: Compression, reason: String },
    #[error("the records take more than {limit} bytes when decompressed")]
    TooLarge { limit: usize },
    #[error("record {index}, byte {at} of the records: {problem}")]
    Record { index: usize, at: usize, problem: &'static str },
    #[error("record {index} has offset delta {delta}")]
    OffsetDelta { index: usize, delta: i32 },
    #[error("{bytes} bytes or more are left after the last record")]
    Trailing { bytes: usize },
}
