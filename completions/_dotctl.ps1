
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'dotctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'dotctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'dotctl' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('snapshot', 'snapshot', [CompletionResultType]::ParameterValue, 'Capture a database, a state snapshot or a folder of objects as checkpoints')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Write a checkpoint back as the database or state it was made of')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy a checkpoint into another store, verified on both sides')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Read checkpoints, manifests or files back and tell everything that is wrong')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List checkpoints, newest first')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show what a checkpoint''s manifest says')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Print one entry of a checkpoint')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a checkpoint a name, or take one away')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove the checkpoints that no rule keeps, and what only they need')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Tell what is in a database, a state snapshot, a folder of objects or a store')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page, of dotctl or of one command')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dotctl;snapshot' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Whose state it is [default: <class>/<object id> for an object, else the file''s name]')
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'How a database is captured')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'How chunks are compressed: zstd, gzip or none')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'The codec''s level [default: zstd 1 for state and 2 for databases, gzip 6]')
            [CompletionResult]::new('--chunk-bytes', '--chunk-bytes', [CompletionResultType]::ParameterName, 'Raw size that chunks aim at, 64KiB to 4MiB')
            [CompletionResult]::new('--object-backend', '--object-backend', [CompletionResultType]::ParameterName, 'Where in an object checkpoints are put, with an object''s database as the store')
            [CompletionResult]::new('--placement', '--placement', [CompletionResultType]::ParameterName, 'With --overflow, what decides where a checkpoint goes [default: dotctl.toml''s, else budget]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The project''s settings, of which the table "placement" counts here [default: ./dotctl.toml]')
            [CompletionResult]::new('--base', '--base', [CompletionResultType]::ParameterName, 'What to build on; only full checkpoints exist so far')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dotctl;restore' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The file to write; `-` is stdout')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'What to write: state as one JSON array or a line an entry, an image as a database')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the target if it exists')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dotctl;copy' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--to-store', '--to-store', [CompletionResultType]::ParameterName, 'Where to: a folder, made if it is not there, or an object''s database')
            [CompletionResult]::new('--object-backend', '--object-backend', [CompletionResultType]::ParameterName, 'Where in an object checkpoints are put, with an object''s database as the other store')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dotctl;verify' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--checksum', '--checksum', [CompletionResultType]::ParameterName, 'What the file must hash to: sha256:HEX or murmur3:HEX (MurmurHash3 x86 32, seed 0)')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--quick', '--quick', [CompletionResultType]::ParameterName, 'Take the stored packs'' hashes and decode nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;list' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only this namespace''s')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;show' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--packs', '--packs', [CompletionResultType]::ParameterName, 'Print the stored packs in order, a path a line')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;get' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;tag' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take the name away')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;prune' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only this namespace''s')
            [CompletionResult]::new('--keep-last', '--keep-last', [CompletionResultType]::ParameterName, 'Keep the newest N')
            [CompletionResult]::new('--keep-hourly', '--keep-hourly', [CompletionResultType]::ParameterName, 'Keep the newest of each of the newest N hours that have one')
            [CompletionResult]::new('--keep-daily', '--keep-daily', [CompletionResultType]::ParameterName, 'The same for days')
            [CompletionResult]::new('--keep-weekly', '--keep-weekly', [CompletionResultType]::ParameterName, 'The same for weeks')
            [CompletionResult]::new('--keep-monthly', '--keep-monthly', [CompletionResultType]::ParameterName, 'The same for months')
            [CompletionResult]::new('--keep-within', '--keep-within', [CompletionResultType]::ParameterName, 'Keep what is at most this much older than the newest')
            [CompletionResult]::new('--keep-tag', '--keep-tag', [CompletionResultType]::ParameterName, 'Keep what has this tag; may be given several times')
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'How long a pack without a checkpoint is left alone, since a writer may be about to name it; in a bucket at least 1h')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would go and what it would free, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;inspect' {
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;completions' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;man' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;help' {
            [CompletionResult]::new('snapshot', 'snapshot', [CompletionResultType]::ParameterValue, 'Capture a database, a state snapshot or a folder of objects as checkpoints')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Write a checkpoint back as the database or state it was made of')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy a checkpoint into another store, verified on both sides')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Read checkpoints, manifests or files back and tell everything that is wrong')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List checkpoints, newest first')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show what a checkpoint''s manifest says')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Print one entry of a checkpoint')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a checkpoint a name, or take one away')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove the checkpoints that no rule keeps, and what only they need')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Tell what is in a database, a state snapshot, a folder of objects or a store')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page, of dotctl or of one command')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dotctl;help;snapshot' {
            break
        }
        'dotctl;help;restore' {
            break
        }
        'dotctl;help;copy' {
            break
        }
        'dotctl;help;verify' {
            break
        }
        'dotctl;help;list' {
            break
        }
        'dotctl;help;show' {
            break
        }
        'dotctl;help;get' {
            break
        }
        'dotctl;help;tag' {
            break
        }
        'dotctl;help;prune' {
            break
        }
        'dotctl;help;inspect' {
            break
        }
        'dotctl;help;completions' {
            break
        }
        'dotctl;help;man' {
            break
        }
        'dotctl;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
