//! Messages as brokers before 0.11 wrote them.

use super::*;

/// Format 0; format 1 with the producer's and with the log's timestamp; then three each under
/// gzip with the log's timestamp and under snappy with the producer's.
const MESSAGES: [&str; 5] = [
    "00000000000000000000001720f781f80000000000026b300000000776302d6e6f6e65",
    "000000000000000a0000001dd775790901000000018bcfe5680affffffff0000000776312d6e6f6e65",
    "000000000000000d0000001d7f2aaac101080000018bcfe56b09ffffffff0000000776312d6e6f6e65",
    concat!(
        "00000000000000140000006cfa5573e101090000018bcfe56b09ffffffff000000561f8b08000000",
        "000000ff6360800379b13d65028c1c0c0c8cdde79f6673024598b20d80247b99816e7a5566015419",
        "2310cb5a057ffb8350fa1f08c00a0d91153201b1c48ad99ec268661a8194030047d6b30978000000"
    ),
    concat!(
        "000000000000001700000085e02291aa01020000018bcfe56814ffffffff0000006f82534e415050",
        "590000000001000000010000005b7c000019013421eccc9c1901000000018bcfe568011840026b30",
        "0000000976302d736e617070790009010124101f614b7ebe0109052d100affffffff052b0031362b",
        "00200200000018b3c60faa152b2814000000026b32ffffffff"
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

#[test]
fn messages_of_the_old_formats_are_printed() {
    let content = bytes(&MESSAGES.concat());
    let options = ["--print-data-log"];
    let (status, lines, _) = dump_bytes("00000000000000000000.log", &content, &options);
    assert_eq!(status, 0);
    assert_eq!(
        lines,
        [
            "Log starting offset: 0",
            "offset: 0 position: 0 NoTimestampType: -1 size: 35 magic: 0 compresscodec: \
             none crc: 553091576 isvalid: true",
            "| offset: 0 NoTimestampType: -1 keySize: 2 valueSize: 7 isValid: true crc: \
             553091576 key: k0 payload: v0-none",
            "offset: 10 position: 35 CreateTime: 1700000000010 size: 41 magic: 1 \
             compresscodec: none crc: 3614800137 isvalid: true",
            "| offset: 10 CreateTime: 1700000000010 keySize: -1 valueSize: 7 isValid: true \
             crc: 3614800137 payload: v1-none",
            "offset: 13 position: 76 LogAppendTime: 1700000000777 size: 41 magic: 1 \
             compresscodec: none crc: 2133502657 isvalid: true",
            "| offset: 13 LogAppendTime: 1700000000777 keySize: -1 valueSize: 7 isValid: \
             true crc: 2133502657 payload: v1-none",
            "offset: 20 position: 117 LogAppendTime: 1700000000777 size: 120 magic: 1 \
             compresscodec: gzip crc: 4199904225 isvalid: true",
            "| offset: 18 LogAppendTime: 1700000000777 keySize: 2 valueSize: 7 isValid: \
             true crc: 381449744 key: k0 payload: v0-gzip",
            "| offset: 19 LogAppendTime: 1700000000777 keySize: -1 valueSize: 7 isValid: \
             true crc: 978581244 payload: v1-gzip",
            "| offset: 20 LogAppendTime: 1700000000777 keySize: 2 valueSize: -1 isValid: \
             true crc: 2828749075 key: k2",
            "offset: 23 position: 237 CreateTime: 1700000000020 size: 145 magic: 1 \
             compresscodec: snappy crc: 3760361898 isvalid: true",
            "| offset: 21 CreateTime: 1700000000000 keySize: 2 valueSize: 9 isValid: true \
             crc: 3972832281 key: k0 payload: v0-snappy",
            "| offset: 22 CreateTime: 1700000000010 keySize: -1 valueSize: 9 isValid: true \
             crc: 1632337598 payload: v1-snappy",
            "| offset: 23 CreateTime: 1700000000020 keySize: 2 valueSize: -1 isValid: true \
             crc: 3016101802 key: k2",
        ]
    );
}

#[test]
fn damage_in_messages_of_the_old_formats_is_told() {
    let mut content = bytes(MESSAGES[4]);
    let last = content.len() - 20;
    content[last] ^= 0x55;
    let (status, lines, err) =
        dump_bytes("00000000000000000000.log", &content, &["--deep-iteration"]);
    assert!(status == 1 && lines[1].ends_with("isvalid: false"), "{lines:?}");
    assert!(err[0].contains("snappy") || err[0].contains("message"), "{err:?}");
}
