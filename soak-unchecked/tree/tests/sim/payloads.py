"""Strings that do harm where one is taken for a command, a path, a format or a query."""


def payloads(mark):
    """Sixty of them; whoever obeys one that is a command makes the file `mark`."""
    commands = [f"touch {mark}", f"touch${{IFS}}{mark}", f"/usr/bin/touch {mark}"]
    wrapped = [form.format(command) for command in commands for form in
               ("; {0}", "| {0}", "& {0}", "&& {0}", "$({0})", "`{0}`", "\n{0}\n", "'; {0} #", '"; {0} #', "a\\'; {0} #")]
    options = ["-", "--", "-rf", "--help", "--version", "-o backing_file=/etc/passwd", "--config=/etc/passwd"]
    paths = ["..", "../../../etc/passwd", "/etc/passwd", "/dev/null", "/proc/self/mem", "./.", "a/../../b", "~root", "*",
             "{a,b}", "file:///etc/passwd", "nbd://127.0.0.1:1/x", "json:{\"driver\":\"host_device\"}"]
    formats = ["%n%n%n%s%s", "{0.__class__}", "' OR '1'='1", "'; DROP TABLE row; --", "<script>alert(1)</script>",
               "<!--#exec cmd=\"id\"-->", "\u202egnp.exe", "\u00e4\U0001f4a3", "x" * 4096, " "]
    every = wrapped + options + paths + formats
    assert len(every) == 60 == len(set(every)), len(every)
    return every
