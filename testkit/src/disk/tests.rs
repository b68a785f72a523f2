use super::*;

fn content(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path)).ok()?;
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn disk_with(path: &str) -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::default();
    disk.create_dir_all(Path::new("d")).unwrap();
    let file = disk.create(Path::new(path)).unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_survives_and_what_was_not_does_so_up_to_some_point() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = disk_with("d/f");
        file.write_at(b"ab", 0).unwrap();
        file.sync().unwrap();
        for folder in ["", "d"] {
            disk.sync_dir(Path::new(folder)).unwrap();
        }
        file.write_at(b"cd", 2).unwrap();
        file.write_at(b"ef", 4).unwrap();
        let disk = disk.after_power_loss(seed);
        let left = content(&disk, "d/f").expect("its name was synced");
        assert!(b"abcdef".starts_with(&left) && left.starts_with(b"ab"), "{left:?}");
        seen.insert(left.len());
    }
    assert_eq!(seen, BTreeSet::from([2, 3, 4, 5, 6]));
}

#[test]
fn a_name_that_was_not_synced_may_be_gone_with_bytes_that_were() {
    let survivors = (0..100).filter(|seed| {
        let (disk, file) = disk_with("d/f");
        disk.sync_dir(Path::new("")).unwrap();
        file.sync().unwrap();
        let disk = disk.after_power_loss(*seed);
        content(&disk, "d/f").is_some()
    });
    let survivors = survivors.count();
    assert!((1..100).contains(&survivors), "{survivors}");
}

#[test]
fn a_full_disk_takes_a_part_and_gives_room_back_for_what_is_removed() {
    let (disk, file) = disk_with("d/f");
    file.write_at(b"abc", 0).unwrap();
    disk.leave_room(2);
    let refused = file.write_at(b"defg", 3).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert_eq!(content(&disk, "d/f").unwrap(), b"abcde");
    assert!(disk.create(Path::new("d/g")).is_err());
    file.set_size(1).unwrap();
    file.write_at(b"xy", 1).unwrap();
    disk.mend();
    disk.create(Path::new("d/g")).unwrap();
}

#[test]
fn a_folder_that_was_gone_has_to_be_opened_anew() {
    let (disk, file) = disk_with("d/f");
    file.write_at(b"abc", 0).unwrap();
    disk.break_folder("d", Broken::Gone);
    assert_eq!(disk.list(Path::new("d")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(file.size().unwrap_err().raw_os_error(), Some(EIO));
    disk.mend();
    assert_eq!(file.size().unwrap_err().raw_os_error(), Some(EIO));
    assert_eq!(content(&disk, "d/f").unwrap(), b"abc");
}

#[test]
fn the_nth_operation_fails_once_or_for_good() {
    for (failing, after) in [(Failing::Once, true), (Failing::ForGood, false)] {
        let (disk, file) = disk_with("d/f");
        disk.fail_nth(1, failing, EIO);
        file.write_at(b"a", 0).unwrap();
        assert!(!disk.has_failed());
        assert!(file.write_at(b"bc", 1).is_err());
        assert!(disk.has_failed());
        assert_eq!(file.sync().is_ok(), after);
        disk.mend();
        assert_eq!(content(&disk, "d/f").unwrap(), b"ab", "a part was written");
    }
}
