//! Answers ksqlDB test cases, a JSON object a line, on stdin and stdout.

fn main() -> std::io::Result<()> {
    sql::serve_cases(std::io::stdin().lock(), std::io::stdout().lock())
}
