use super::*;

/// `want` is what the address should give: "" for allowed, else the beginning of the refusal's text.
fn check_all(allow: &[&str], cases: &[(&str, &str)]) {
    let allow: Vec<IpNet> = allow.iter().map(|net| net.parse().unwrap()).collect();
    for (address, want) in cases {
        let got = check(address.parse().unwrap(), &allow).err().map(|refusal| refusal.to_string()).unwrap_or_default();
        assert!(if want.is_empty() { got.is_empty() } else { got.starts_with(want) }, "{address}: {got:?}, not {want:?}");
    }
}

#[test]
fn public_addresses_are_allowed() {
    check_all(
        &[],
        &[
            ("1.1.1.1", ""),
            ("9.255.255.255", ""),
            ("11.0.0.0", ""),
            ("100.63.255.255", ""),
            ("100.128.0.0", ""),
            ("126.255.255.255", ""),
            ("128.0.0.0", ""),
            ("169.253.255.255", ""),
            ("172.15.255.255", ""),
            ("172.32.0.0", ""),
            ("192.0.1.0", ""),
            ("192.167.255.255", ""),
            ("198.17.255.255", ""),
            ("198.20.0.0", ""),
            ("223.255.255.255", ""),
            ("2606:4700:4700::1111", ""),
            ("2001:200::1", ""),
            ("2001:4860:4860::8888", ""),
            ("2003::1", ""),
            ("64:ff9b::101:101", ""),
            ("2002:101:101::1", ""),
        ],
    );
}

#[test]
fn what_is_not_public_is_refused() {
    let private = "not a public address";
    check_all(
        &[],
        &[
            ("10.0.0.0", private),
            ("10.255.255.255", private),
            ("100.64.0.1", private),
            ("100.127.255.255", private),
            ("172.16.0.1", private),
            ("172.31.255.255", private),
            ("192.0.0.8", private),
            ("192.88.99.1", private),
            ("192.168.255.255", private),
            ("198.18.0.1", private),
            ("198.19.255.255", private),
            ("fc00::1", private),
            ("fdff::1", private),
            ("2001:1::1", private),
            ("2001:2::1", private),
            ("2001:3::1", private),
            ("4000::1", private),
            ("100::1", private),
            ("5f00::1", private),
            ("1fff::1", private),
        ],
    );
}

#[test]
fn some_things_no_setting_opens() {
    let never = "never allowed";
    check_all(
        &["0.0.0.0/0", "::/0"],
        &[
            ("0.0.0.0", never),
            ("0.1.2.3", never),
            ("127.0.0.1", never),
            ("127.255.255.255", never),
            ("169.254.169.254", never),
            ("169.254.170.2", never),
            ("100.100.100.200", never),
            ("168.63.129.16", never),
            ("192.0.0.192", never),
            ("224.0.0.1", never),
            ("239.255.255.255", never),
            ("240.0.0.1", never),
            ("255.255.255.255", never),
            ("::", never),
            ("::1", never),
            ("::10.1.2.3", never),
            ("::1.1.1.1", never),
            ("::ffff:127.0.0.1", never),
            ("::ffff:1.1.1.1", never),
            ("::ffff:0:1.1.1.1", never),
            ("64:ff9b:1::1.1.1.1", never),
            ("64:ff9b:1:ffff::1", never),
            ("fe80::1", never),
            ("febf::1", never),
            ("fec0::1", never),
            ("ff02::1", never),
            ("fd00:ec2::254", never),
            ("fd20:ce::254", never),
            // Opened with the rest.
            ("10.1.2.3", ""),
            ("192.168.0.1", ""),
            // Kept for documentation: nobody's, and what laboratories use.
            ("203.0.113.1", ""),
            ("fd00::1", ""),
            ("2001:db8::1", ""),
        ],
    );
}

#[test]
fn an_opened_network_is_open_and_its_neighbours_are_not() {
    check_all(
        &["10.9.0.0/16", "fd99::/16"],
        &[("10.9.255.1", ""), ("10.8.0.1", "not a public"), ("fd99::1", ""), ("fd98::1", "not a public")],
    );
}

#[test]
fn what_is_held_inside_must_be_allowed_too() {
    let cases = [
        ("64:ff9b::127.0.0.1", "127.0.0.1"),
        ("64:ff9b::169.254.169.254", "169.254.169.254"),
        ("64:ff9b::10.1.2.3", "10.1.2.3"),
        ("2002:7f00:1::1", "127.0.0.1"),
        ("2002:a9fe:a9fe::", "169.254.169.254"),
        ("2002:a01:203::1", "10.1.2.3"),
        // Teredo: a private server; a loopback client (0x7f000001 turned over is 0x80fffffe).
        ("2001:0:a01:203::808:808", "10.1.2.3"),
        ("2001:0:101:101::80ff:fffe", "127.0.0.1"),
    ];
    for (address, inner) in cases {
        assert_eq!(check(address.parse().unwrap(), &[]), Err(Refusal::Holds(inner.parse().unwrap())), "{address}");
    }
    check_all(&["10.0.0.0/8"], &[("64:ff9b::10.1.2.3", ""), ("64:ff9b::127.0.0.1", "127.0.0.1 inside")]);
    // A server of 1.1.1.1 and a client of 8.8.8.8.
    check_all(&[], &[("2001:0:101:101::f7f7:f7f7", "")]);
}

#[test]
fn the_routing_table_has_the_last_word() {
    let here = Route { kind: RouteKind::Local, loopback: true, source: None };
    let away = Route { kind: RouteKind::Unicast, loopback: false, source: None };
    let table = |ip: IpAddr| match ip.to_string().as_str() {
        "1.0.0.1" => Ok(here),
        "1.0.0.2" => Ok(Route { loopback: true, ..away }),
        "1.0.0.3" => Ok(Route { kind: RouteKind::Shared, ..away }),
        "1.0.0.4" => Ok(Route { kind: RouteKind::Nowhere, ..away }),
        "1.0.0.5" => Err(Errno::ENETUNREACH),
        "1.0.0.6" => Err(Errno::EMFILE),
        _ => Ok(away),
    };
    let check = |address: &str| check_route(address.parse().unwrap(), table);
    assert_eq!(check("1.0.0.9"), Ok(()));
    assert_eq!(check("1.0.0.1"), Err(Refusal::Here(Place::Local)));
    assert_eq!(check("1.0.0.2"), Err(Refusal::Here(Place::Local)));
    assert_eq!(check("1.0.0.3"), Err(Refusal::Here(Place::Shared)));
    assert_eq!(check("1.0.0.4"), Err(Refusal::Here(Place::Nowhere)));
    assert_eq!(check("1.0.0.5"), Err(Refusal::NoRoute));
    assert_eq!(check("1.0.0.6"), Err(Refusal::Unknown(Errno::EMFILE)));
    for held in ["64:ff9b::1.0.0.1", "2002:100:1::1", "64:ff9b::1.0.0.2", "64:ff9b::1.0.0.3"] {
        assert!(matches!(check(held), Err(Refusal::Holds(_))), "{held}");
    }
    assert_eq!(check("64:ff9b::1.0.0.9"), Ok(()));
    assert_eq!(check("64:ff9b::1.0.0.5"), Ok(()), "a host with IPv6 alone");
    assert_eq!(check("64:ff9b::1.0.0.6"), Err(Refusal::Unknown(Errno::EMFILE)));
}
