//! Accounts of the image, and becoming one.

use crate::call::{call, fail, number};

pub(crate) struct Account {
    pub(crate) name: &'static [u8],
    pub(crate) uid: usize,
    pub(crate) gid: usize,
    pub(crate) home: &'static [u8],
    pub(crate) shell: &'static [u8],
}

pub(crate) fn fields(line: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    line.split(|byte| *byte == b':')
}

pub(crate) fn parse(digits: &[u8]) -> Option<usize> {
    let value = digits.iter().try_fold(0usize, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    });
    value.filter(|value| !digits.is_empty() && u32::try_from(*value).is_ok())
}

pub(crate) fn account(line: &'static [u8]) -> Option<Account> {
    let mut fields = fields(line);
    let name = fields.next()?;
    let uid = parse(fields.nth(1)?)?;
    let gid = parse(fields.next()?)?;
    let home = fields.nth(1)?;
    let shell = fields.next().filter(|shell| !shell.is_empty()).unwrap_or(b"/bin/sh");
    Some(Account { name, uid, gid, home, shell })
}

pub(crate) fn accounts(passwd: &'static [u8]) -> impl Iterator<Item = Account> {
    passwd.split(|byte| *byte == b'\n').filter_map(account)
}

pub(crate) fn find_account(passwd: &'static [u8], user: &'static [u8]) -> Account {
    if let Some(id) = user.strip_prefix(b"#") {
        let Some(id) = parse(id) else { fail(&[b"not a user id: ", user]) };
        return find_by_id(passwd, id);
    }
    let found = accounts(passwd).find(|account| account.name == user);
    let root = || Account { name: b"root", uid: 0, gid: 0, home: b"/root", shell: b"/bin/sh" };
    match found {
        Some(account) => account,
        None if user == b"root" => root(),
        None => fail(&[b"unknown user ", user]),
    }
}

pub(crate) fn find_by_id(passwd: &'static [u8], id: usize) -> Account {
    let nobody = || Account { name: b"", uid: id, gid: id, home: b"/", shell: b"/bin/sh" };
    accounts(passwd).find(|account| account.uid == id).unwrap_or_else(nobody)
}

pub(crate) fn become_account(target: &Account, group: &'static [u8]) {
    let mut groups = [0u32; 64];
    let mut used = 0;
    let mut add = |id: usize| {
        if let (Ok(id), Some(place)) = (u32::try_from(id), groups.get_mut(used)) {
            *place = id;
            used += 1;
        }
    };
    add(target.gid);
    for line in group.split(|byte| *byte == b'\n') {
        let mut fields = fields(line);
        let (_, _, id, members) = (fields.next(), fields.next(), fields.next(), fields.next());
        let member = members
            .unwrap_or_default()
            .split(|byte| *byte == b',')
            .any(|name| !name.is_empty() && name == target.name);
        if let Some(id) = id.and_then(parse).filter(|id| member && *id != target.gid) {
            add(id);
        }
    }
    let set = call(number::SETGROUPS, used, groups.as_ptr() as usize, 0, 0)
        | call(number::SETRESGID, target.gid, target.gid, target.gid, 0)
        | call(number::SETRESUID, target.uid, target.uid, target.uid, 0);
    if set != 0 {
        fail(&[b"cannot become ", target.name]);
    }
}
