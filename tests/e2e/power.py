"""What a disk has when the power fails, told by the record of `faulty_disk.c`: what was synced, and of the rest whatever chance wants.
A sync that failed has dropped what it should have written, as kernels do: it is in the page cache, and will never be on disk."""

import pathlib
import struct

HEADER = struct.Struct("=IIQQ")
WRITE, TRUNCATE, SYNCED, SYNC_FAILED = 1, 2, 3, 4
SECTOR = 512


class Disk:
    """The databases of a data directory. Begins with what is there, which counts as written."""

    def __init__(self, directory, record, pick):
        self.directory, self.record, self.pick = pathlib.Path(directory), pathlib.Path(record), pick
        self.files = {path: bytearray(path.read_bytes()) for path in self.there()}
        #: Writes since the last sync of each file; those that a failed one has dropped.
        self.pending = {}
        self.dropped = {}
        #: Syncs that failed.
        self.failed = 0

    def there(self):
        return [path for path in self.directory.iterdir() if ".sqlite" in path.name and not path.name.endswith("-shm")]

    def look(self):
        """Takes in what was recorded since."""
        record = self.record.read_bytes() if self.record.exists() else b""
        self.record.unlink(missing_ok=True)
        at = 0
        while at < len(record):
            operation, path_bytes, offset, count = HEADER.unpack_from(record, at)
            at += HEADER.size
            path, at = pathlib.Path(record[at:at + path_bytes].decode()), at + path_bytes
            data = None
            if operation == WRITE:
                data, at = record[at:at + count], at + count
            pending = self.pending.setdefault(path, [])
            if operation in (WRITE, TRUNCATE):
                pending.append((offset, data))
            elif operation == SYNCED:
                for change in pending:
                    self.apply(path, *change)
                pending.clear()
            else:
                self.failed += 1
                self.dropped.setdefault(path, []).extend(pending)
                pending.clear()

    def apply(self, path, offset, data):
        file = self.files.setdefault(path, bytearray())
        if data is None:
            file[offset:] = bytes(max(offset - len(file), 0))
            return
        file.extend(bytes(max(offset - len(file), 0)))
        file[offset:offset + len(data)] = data

    def fail(self):
        """The power fails: the files are what is on disk."""
        self.look()
        for path, pending in self.pending.items():
            for offset, data in pending:
                kept = self.pick.choice(("all", "part", "none"))
                if kept == "all":
                    self.apply(path, offset, data)
                elif kept == "part" and data is not None:
                    sectors = len(data) // SECTOR
                    self.apply(path, offset, data[:self.pick.randrange(sectors + 1) * SECTOR])
        self.pending.clear()
        self.dropped.clear()
        for path in self.there():
            if path not in self.files:
                path.unlink()
        for path in self.directory.glob("*.sqlite-shm"):
            path.unlink()
        for path, content in self.files.items():
            path.write_bytes(content)
