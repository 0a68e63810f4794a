//! Tokens: what is in them, and when they are renewed.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use jsonwebtoken::{DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::Value;

use super::*;

struct Pair {
    pem: SecretString,
    public: String,
}

fn pair() -> Pair {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    Pair { pem: pair.serialize_pem().into(), public: pair.public_key_pem() }
}

impl Pair {
    fn key(&self, id: &str) -> SigningKey {
        SigningKey::from_pem(id, Issuer::from_text("12"), &self.pem).unwrap()
    }

    /// Checks the signature; gives the header and the claims.
    fn open(&self, token: &SecretString) -> (Header, Value) {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(self.public.as_bytes()).unwrap();
        let token = jsonwebtoken::decode(token.expose_secret(), &key, &validation).unwrap();
        (token.header, token.claims)
    }
}

/// A source that gives `pair`'s key under another id each time it is asked.
fn numbered(pair: &Pair) -> KeySource {
    let (pem, count) = (pair.pem.clone(), AtomicU32::new(1));
    KeySource::new("/nonexistent".into(), move || {
        let id = count.fetch_add(1, Ordering::Relaxed).to_string();
        Ok(SigningKey::from_pem(&id, Issuer::Number(12), &pem)?)
    })
}

#[test]
fn a_token_says_what_the_vendor_wants() {
    let pair = pair();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let (text, expires) = pair.key("kid-1").sign(now, MAX_LIFE).unwrap();
    let (header, claims) = pair.open(&text);
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    assert_eq!(header.kid.as_deref(), Some("kid-1"));
    let iat = 1_800_000_000 - 5;
    assert_eq!(claims, serde_json::json!({"iss": 12, "iat": iat, "exp": iat + 3600}));
    assert_eq!(expires.as_second(), iat + 3600);
    let (text, _) = pair.key("kid-1").sign(now, Duration::from_secs(2)).unwrap();
    assert_eq!(pair.open(&text).1["exp"], 1_800_000_002);
}

#[test]
fn both_forms_of_pem_are_taken_and_none_is_printed() {
    let pair = pair();
    let der = pem::parse(pair.pem.expose_secret()).unwrap();
    // A PKCS#8 wrapping of a 2048-bit RSA key is 26 bytes, then the PKCS#1 form.
    let inner = pem::Pem::new("RSA PRIVATE KEY", &der.contents()[26..]);
    let crlf = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::CRLF);
    let pkcs1 = SecretString::from(pem::encode_config(&inner, crlf));
    let key = SigningKey::from_pem("k", Issuer::from_text("id"), &pkcs1).unwrap();
    let (text, _) = key.sign(Timestamp::now(), MAX_LIFE).unwrap();
    assert_eq!(pair.open(&text).1["iss"], "id");
    assert!(!format!("{key:?}").contains("content"), "{key:?}");
    let bad = SigningKey::from_pem("k", Issuer::Number(1), &"no key".into());
    assert_eq!(bad.err(), Some(KeyError::NotRsaPem));
}

#[test]
fn issuers_are_numbers_where_they_can_be() {
    assert_eq!(Issuer::from_text("12"), Issuer::Number(12));
    for text in ["012", "+1", "1.0", "a", "18446744073709551616"] {
        assert_eq!(Issuer::from_text(text), Issuer::Text(text.to_owned()));
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_hold_it() {
    let pair = pair();
    let tokens = Tokens::start(pair.key("0"), numbered(&pair), MAX_LIFE).unwrap();
    let refused = tokens.current().await;
    let renewals = (0..8).map(|_| tokens.renew(&refused, None));
    let renewed = futures_util::future::join_all(renewals).await;
    for token in &renewed {
        let (header, _) = pair.open(token.secret());
        assert_eq!(header.kid.as_deref(), Some("1"), "the file was read once");
    }
    let (header, _) = pair.open(tokens.renew(&renewed[0], None).await.secret());
    assert_eq!(header.kid.as_deref(), Some("2"));
}

#[tokio::test]
async fn tokens_follow_the_servers_clock() {
    let pair = pair();
    let tokens = Tokens::start(pair.key("0"), numbered(&pair), MAX_LIFE).unwrap();
    let iat = |token: &Token| pair.open(token.secret()).1["iat"].as_i64().unwrap();
    let begun = Timestamp::now();
    // How far the clock of `token` is ahead of ours: in whole seconds, and while time goes on.
    let is_ahead = |token: &Token, first: &Token, by: i64| {
        let passed = Timestamp::now().duration_since(begun).as_secs() + 1;
        (by - 1..=by + passed).contains(&(iat(token) - iat(first)))
    };
    let first = tokens.current().await;
    let hour = SignedDuration::from_hours(1);
    let ahead = tokens.renew(&first, Some(hour)).await;
    assert!(is_ahead(&ahead, &first, 3600));
    let still = tokens.renew(&ahead, Some(hour + SignedDuration::from_secs(3))).await;
    assert!(is_ahead(&still, &first, 3600));
    let back = tokens.renew(&still, Some(SignedDuration::ZERO)).await;
    assert!(is_ahead(&back, &first, 0));
}

#[tokio::test]
async fn the_background_task_renews_ahead_and_takes_up_a_new_key() {
    let pair = pair();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "a").unwrap();
    let (pem, file) = (pair.pem.clone(), path.clone());
    let source = KeySource::new(path.clone(), move || {
        let id = std::fs::read_to_string(&file)?;
        if id == "bad" {
            return Err("cannot be read".into());
        }
        Ok(SigningKey::from_pem(&id, Issuer::Number(12), &pem)?)
    });
    let tokens = Tokens::start(pair.key("a"), source, Duration::from_secs(2)).unwrap();
    let kid = |token: &Token| pair.open(token.secret()).0.kid.unwrap();
    let next = async |after: &Token| {
        let change = async {
            loop {
                // Only the background task renews here: the token at hand is never past its life.
                let token = tokens.current().await;
                assert!(Timestamp::now() < token.expires_at());
                if token.serial() != after.serial() {
                    break token;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), change).await.unwrap()
    };
    // In one step: half a file would be another key.
    let replace = |text: &str| {
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
    };
    let first = tokens.current().await;
    replace("bad");
    let second = next(&first).await;
    assert_eq!(kid(&second), "a");
    replace("b");
    // One more of the old key may have been on its way.
    let mut third = next(&second).await;
    if kid(&third) == "a" {
        third = next(&third).await;
    }
    assert_eq!(kid(&third), "b");
}
