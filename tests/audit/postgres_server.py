"""A real PostgreSQL server of this test run: its own data folder, a Unix socket in it, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

OWNER, WRITER, READER, DATABASE = "owner", "writer", "reader", "postgres"


def binaries() -> Path | None:
    """The folder of the newest installed server (Debian's places), or of the one on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@dataclass
class PostgresServer:
    """Started by :meth:`start`, stopped by its process id. PostgreSQL refuses to run as root."""

    bin: Path
    folder: Path
    user: str | None
    process: subprocess.Popen[bytes] | None = field(default=None)

    @classmethod
    def make(cls, bin_folder: Path) -> PostgresServer:
        folder = Path(tempfile.mkdtemp(prefix="medcairn-pg-"))
        user = "postgres" if os.getuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        server = cls(bin_folder, folder, user)
        server.run("initdb", "-D", str(server.data), "-U", OWNER, "--auth=trust", "--no-sync")
        server.start()
        with psycopg.connect(server.dsn(OWNER), autocommit=True) as db:
            db.execute(f"CREATE ROLE {WRITER} LOGIN")
            db.execute(f"CREATE ROLE {READER} LOGIN")
        return server

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def dsn(self, role: str) -> str:
        return f"host={self.folder} user={role} dbname={DATABASE}"

    def run(self, program: str, *arguments: str, text: str = "") -> str:
        """Run one of the server's programs as its user."""
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=self.user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            check=True,
        )
        return done.stdout.decode()

    def start(self) -> None:
        options = [
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            f"unix_socket_directories={self.folder}",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.data), *options],
                stdout=log, stderr=log, user=self.user, cwd=self.folder,
            )  # fmt: skip
        for _ in range(300):
            try:
                psycopg.connect(self.dsn(OWNER)).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError("the PostgreSQL server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(2)  # SIGINT: fast shutdown
            self.process.wait(60)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


__all__ = ["DATABASE", "OWNER", "READER", "WRITER", "PostgresServer", "binaries"]
