//! Hexadecimal text to bytes, and what is checked of every golden message.

/// The bytes of `text`: hexadecimal pairs; `#` starts a remark that ends with the line.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.lines()
        .flat_map(|line| {
            line.split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
        })
        .map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits"))
        .collect()
}

/// `message` with `patch` in place of the bytes at `offset` of its block.
pub(crate) fn patched(message: &[u8], offset: usize, patch: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    out[8 + offset..8 + offset + patch.len()].copy_from_slice(patch);
    out
}

/// `message` with `extra` unknown bytes at the end of its block, and a header that says so.
pub(crate) fn extended(message: &[u8], extra: u16) -> Vec<u8> {
    let block = u16::from_le_bytes([message[0], message[1]]);
    let mut out = message.to_vec();
    out[0..2].copy_from_slice(&(block + extra).to_le_bytes());
    let end = 8 + usize::from(block);
    out.splice(end..end, (0..extra).map(|i| 0xE0 ^ i as u8));
    out
}

/// `message` with another number in the header: 0 block length, 1 template, 2 schema, 3 version.
pub(crate) fn with_header(message: &[u8], index: usize, change: impl Fn(u16) -> u16) -> Vec<u8> {
    let mut out = message.to_vec();
    let at = 2 * index;
    let value = change(u16::from_le_bytes([out[at], out[at + 1]]));
    out[at..at + 2].copy_from_slice(&value.to_le_bytes());
    out
}

/// A test that `$value` is `$text` on the wire, and everything that holds for any message: exact
/// length, no byte left unwritten, header gating, a longer block skipped, and truncation at every
/// byte an error but for the places in `$tails`, counted from the end, where strings may be
/// missing.
macro_rules! golden {
    (
        $(#[$meta:meta])*
        $test:ident: $text:expr, $value:expr, $view:ident from $module:ident, tails $tails:expr,
        $check:expr
    ) => {
        $(#[$meta])*
        #[test]
        fn $test() {
            use tensorpool_codecs::{DecodeError, EncodeError, $module};
            use $crate::support::{extended, with_header};

            let bytes = $crate::support::bytes($text);
            let value = $value;

            assert_eq!(value.encoded_len(), Ok(bytes.len()));
            let mut exact = vec![0xAA; bytes.len()];
            assert_eq!(value.encode(&mut exact), Ok(bytes.len()));
            assert_eq!(exact, bytes, "encoded bytes differ from the table");
            let mut roomy = vec![0xAA; bytes.len() + 3];
            assert_eq!(value.encode(&mut roomy), Ok(bytes.len()));
            assert_eq!(roomy[bytes.len()..], [0xAA; 3], "wrote behind the message");
            assert_eq!(
                value.encode(&mut exact[1..]),
                Err(EncodeError::BufferTooSmall {
                    needed: bytes.len(),
                    available: bytes.len() - 1
                })
            );

            let decoded = $module::$view::decode(&bytes).expect("the golden bytes");
            $check(&decoded);
            let mut trailing = bytes.clone();
            trailing.extend([0xEE; 9]);
            assert_eq!($module::$view::decode(&trailing), Ok(decoded), "bytes behind the message");
            for extra in [1, 9] {
                let longer = extended(&bytes, extra);
                assert_eq!($module::$view::decode(&longer), Ok(decoded), "a longer block");
            }
            let newer = with_header(&bytes, 3, |version| version + 6);
            assert_eq!($module::$view::decode(&newer), Ok(decoded), "a later version");

            let tails: &[usize] = &$tails;
            let complete: Vec<usize> = tails.iter().map(|tail| bytes.len() - tail).collect();
            for len in 0..bytes.len() {
                let outcome = $module::$view::decode(&bytes[..len]);
                assert_eq!(outcome.is_ok(), complete.contains(&len), "cut to {len}: {outcome:?}");
            }

            assert!(matches!(
                $module::$view::decode(&with_header(&bytes, 0, |block| block - 1)),
                Err(DecodeError::BlockLength { .. })
            ));
            for index in [1, 2] {
                assert!(matches!(
                    $module::$view::decode(&with_header(&bytes, index, |id| id ^ 0x100)),
                    Err(DecodeError::WrongMessage { .. })
                ));
            }
            assert!(matches!(
                $module::$view::decode(&with_header(&bytes, 3, |_| 0)),
                Err(DecodeError::UnsupportedVersion { found: 0, .. })
            ));
        }
    };
    (
        $(#[$meta:meta])*
        $test:ident: $text:expr, $value:expr, $view:ident from $module:ident, tails $tails:expr
    ) => {
        $crate::support::golden!(
            $(#[$meta])*
            $test: $text, $value, $view from $module, tails $tails,
            |decoded: &tensorpool_codecs::$module::$view| assert_eq!(*decoded, $value)
        );
    };
}
pub(crate) use golden;
