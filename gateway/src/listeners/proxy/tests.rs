//! Headers that must be read, and many that must not.

use super::*;
use proptest::prelude::*;

/// A header as a balancer writes it.
fn header(command: u8, family: u8, addresses: &[u8], fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut rest = addresses.to_vec();
    for (kind, value) in fields {
        rest.push(*kind);
        rest.extend((value.len() as u16).to_be_bytes());
        rest.extend(value);
    }
    let mut out = SIGNATURE.to_vec();
    out.extend([command, family]);
    out.extend((rest.len() as u16).to_be_bytes());
    out.extend(rest);
    out
}

fn v4() -> Vec<u8> {
    [&[192, 0, 2, 7][..], &[198, 51, 100, 1], &4711u16.to_be_bytes(), &587u16.to_be_bytes()].concat()
}

fn with_checksum(mut header: Vec<u8>) -> Vec<u8> {
    let length = u16::from_be_bytes([header[14], header[15]]) + 7;
    header[14..16].copy_from_slice(&length.to_be_bytes());
    header.extend([CHECKSUM, 0, 4, 0, 0, 0, 0]);
    let crc = crc32c(&header);
    let at = header.len() - 4;
    header[at..].copy_from_slice(&crc.to_be_bytes());
    header
}

async fn client(networks: &[&str], peer: &str, bytes: &[u8]) -> (std::io::Result<Option<SocketAddr>>, usize) {
    let networks: Vec<Network> = networks.iter().map(|n| n.parse().unwrap()).collect();
    let mut rest = bytes;
    let answer = Balancers::new(&networks).client(&mut rest, peer.parse().unwrap()).await;
    (answer, rest.len())
}

#[test]
fn the_checksum_is_castagnolis() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[tokio::test]
async fn named_by_a_balancer_only() {
    let sent = [header(0x21, 0x11, &v4(), &[(0x04, vec![0; 9])]), b"EHLO x\r\n".to_vec()].concat();
    let (named, left) = client(&["10.0.0.0/8"], "10.1.2.3:9", &sent).await;
    assert_eq!(named.unwrap(), Some("192.0.2.7:4711".parse().unwrap()));
    assert_eq!(left, 8, "nothing behind the header is touched");
    let (own, left) = client(&["10.0.0.0/8"], "203.0.113.5:9", &sent).await;
    assert_eq!(own.unwrap(), Some("203.0.113.5:9".parse().unwrap()));
    assert_eq!(left, sent.len());
    let mut v6 = vec![0u8; 36];
    v6[..2].copy_from_slice(&[0x20, 0x01]);
    v6[15] = 9;
    v6[32..34].copy_from_slice(&25u16.to_be_bytes());
    let (named, _) = client(&["::/0"], "[::1]:9", &header(0x21, 0x21, &v6, &[])).await;
    assert_eq!(named.unwrap(), Some("[2001::9]:25".parse().unwrap()));
}

#[tokio::test]
async fn balancers_that_name_nobody_speak_for_themselves() {
    let own = Some("10.1.2.3:9".parse().unwrap());
    for sent in [
        header(0x20, 0x00, &[], &[]),
        header(0x20, 0x11, &v4(), &[]),
        header(0x21, 0x00, &[1, 2, 3], &[]),
        header(0x21, 0x12, &v4(), &[]),
        header(0x21, 0x31, &[0; 216], &[]),
    ] {
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3:9", &sent).await.0.unwrap(), own, "{sent:?}");
    }
}

#[test]
fn refused() {
    let good = header(0x21, 0x11, &v4(), &[]);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    assert_eq!(length(b"PROXY TCP4 192.0"), Err(HeaderError::Signature), "version 1");
    assert_eq!(length(b"EHLO client.exam"), Err(HeaderError::Signature));
    assert_eq!(length(&changed(14, 0xff)), Err(HeaderError::Length(0xff0c)));
    assert_eq!(parse(&changed(12, 0x11)), Err(HeaderError::Command(0x11)));
    assert_eq!(parse(&changed(12, 0x22)), Err(HeaderError::Command(0x22)));
    assert_eq!(parse(&good[..FIXED + 11]), Err(HeaderError::Addresses));
    assert_eq!(parse(&changed(13, 0x21)), Err(HeaderError::Addresses), "IPv6 in IPv4's room");
    assert_eq!(parse(&[&good[..], &[4]].concat()), Err(HeaderError::Field));
    assert_eq!(parse(&[&good[..], &[4, 0, 2, 1]].concat()), Err(HeaderError::Field));
    assert_eq!(parse(&[&good[..], &[CHECKSUM, 0, 1, 1]].concat()), Err(HeaderError::Field));
    let summed = with_checksum(good.clone());
    assert!(parse(&summed).unwrap().is_some());
    for at in FIXED..summed.len() {
        let mut bytes = summed.clone();
        bytes[at] ^= 1;
        assert!(parse(&bytes).is_err() || at == summed.len() - 7, "octet {at}");
    }
}

#[tokio::test]
async fn cut_off_is_an_error_of_the_connection() {
    let good = header(0x21, 0x11, &v4(), &[]);
    for cut in 0..good.len() {
        assert!(client(&["10.0.0.0/8"], "10.1.2.3:9", &good[..cut]).await.0.is_err(), "{cut}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(ip: [u8; 4], port: u16, fields in prop::collection::vec((4u8..255, prop::collection::vec(any::<u8>(), 0..40)), 0..6)) {
        let mut addresses = v4();
        addresses[..4].copy_from_slice(&ip);
        addresses[8..10].copy_from_slice(&port.to_be_bytes());
        let sent = with_checksum(header(0x21, 0x11, &addresses, &fields));
        prop_assert_eq!(length(&sent).map(usize::from), Ok(sent.len() - FIXED));
        prop_assert_eq!(parse(&sent), Ok(Some(SocketAddr::from((ip, port)))));
    }

    #[test]
    fn nothing_panics(command: u8, family: u8, rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(&rest);
        let _ = parse(&bytes);
    }
}

#[tokio::test]
async fn web_listeners_hear_the_same() {
    assert!(Balancers::new(&[]).introduce().is_none());
    let introduce = Balancers::new(&["127.0.0.0/8".parse().unwrap()]).introduce().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let named = Some("192.0.2.7:4711".parse().unwrap());
    for (sent, expected) in
        [(header(0x21, 0x11, &v4(), &[]), named), (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), None)]
    {
        let mut balancer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut balancer, &sent).await.unwrap();
        let (socket, peer) = listener.accept().await.unwrap();
        assert_eq!(introduce(socket, peer).await.map(|(_, client)| client), expected);
    }
}
