//! Subordinate id files (`/etc/subuid`, `/etc/subgid`; see subuid(5)).

/// First id of the first block of at least `count` ids that `text` gives to the account, by name
/// or by number. Lines that are not `account:first:count` are passed over, as shadow does.
pub(crate) fn first_block(text: &str, name: &str, uid: u32, count: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (owner, first, size) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = owner == name && !name.is_empty() || owner == uid.to_string();
        let first = first.parse::<u32>().ok()?;
        let size = size.parse::<u32>().ok()?;
        let whole = fields.next().is_none() && first > 0 && first.checked_add(size).is_some();
        (ours && whole && size >= count).then_some(first)
    })
}

/// Name of the account `uid` in a passwd file, if it has one.
pub(crate) fn account_name(passwd: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_name_or_number() {
        let text = "anna:100000:65536\n1001:200000:65536\n";
        assert_eq!(first_block(text, "anna", 1000, 65536), Some(100_000));
        assert_eq!(first_block(text, "otto", 1001, 65536), Some(200_000));
        assert_eq!(first_block(text, "eve", 1002, 65536), None);
    }

    #[test]
    fn blocks_that_are_too_small_or_broken_are_passed_over() {
        let text = "anna:1:10\nanna:x:65536\nanna:5\n\n#c\nanna:0:65536\nanna:4294900000:70000\nanna:300000:65536:9\nanna:400000:65536\n";
        assert_eq!(first_block(text, "anna", 1, 65536), Some(400_000));
    }

    #[test]
    fn an_account_without_a_name_owns_no_nameless_line() {
        assert_eq!(first_block(":100000:65536", "", 1000, 65536), None);
    }

    #[test]
    fn names_come_from_the_third_field() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n";
        assert_eq!(account_name(passwd, 1000), Some("bob"));
        assert_eq!(account_name(passwd, 7), None);
    }
}
