
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
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Tell what differs between two checkpoints')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a checkpoint a name, or take one away')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove the checkpoints that no rule keeps, and what only they need')
            [CompletionResult]::new('compact', 'compact', [CompletionResultType]::ParameterValue, 'Rewrite a checkpoint that lies in several runs of changes as one full run')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Tell what is in a database, a state snapshot, a folder of objects or a store')
            [CompletionResult]::new('estimate', 'estimate', [CompletionResultType]::ParameterValue, 'Tell how large a checkpoint will be, where it will go, and whether that is within budget')
            [CompletionResult]::new('budget', 'budget', [CompletionResultType]::ParameterValue, 'Check what dotctl.toml declares against its budgets')
            [CompletionResult]::new('plan', 'plan', [CompletionResultType]::ParameterValue, 'Plan a design or a fleet: days until each limit, monthly cost, what a stop loses')
            [CompletionResult]::new('replay', 'replay', [CompletionResultType]::ParameterValue, 'Make a local image of event logs, or bring one up to date')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page, of dotctl or of one command')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'dotctl;snapshot' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Whose state it is [default: <class>/<object id> for an object, else the file''s name]')
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'How a database is captured')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'How chunks are compressed: zstd, gzip or none; columnar and zstd-dictionary, which need more than zstd to be read without dotctl, or auto, the smallest of them for each chunk. A full checkpoint is made where the newest one has another [default: zstd]')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'The codec''s level [default: zstd 1 for state and 2 for databases, gzip 6]')
            [CompletionResult]::new('--chunk-bytes', '--chunk-bytes', [CompletionResultType]::ParameterName, 'Raw size that chunks aim at, 64KiB to 4MiB')
            [CompletionResult]::new('--object-backend', '--object-backend', [CompletionResultType]::ParameterName, 'Where in an object checkpoints are put, with an object''s database as the store')
            [CompletionResult]::new('--placement', '--placement', [CompletionResultType]::ParameterName, 'With --overflow, what decides where a checkpoint goes [default: dotctl.toml''s, else budget]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The project''s settings, of which the tables "snapshot" and "placement" count here [default: ./dotctl.toml]')
            [CompletionResult]::new('--base', '--base', [CompletionResultType]::ParameterName, 'What to build on, so that only changes are stored: auto (the namespace''s newest checkpoint, where that pays), none, or a REF')
            [CompletionResult]::new('--encrypt', '--encrypt', [CompletionResultType]::ParameterName, 'Seal the checkpoint, so that only this age recipient can read it: age1…, or a file of recipients; may be given several times')
            [CompletionResult]::new('--compact-share', '--compact-share', [CompletionResultType]::ParameterName, 'Make a full checkpoint once the changes take more than this share of the last full one [default: dotctl.toml''s, else 0.5]')
            [CompletionResult]::new('--compact-runs', '--compact-runs', [CompletionResultType]::ParameterName, 'Join the newest changes once there are as many runs of them, 1 to 16 [default: dotctl.toml''s, else 8]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Read the packs that a bucket holds already, and replace those that are damaged; a folder''s and an object''s are always read')
            [CompletionResult]::new('--no-encrypt', '--no-encrypt', [CompletionResultType]::ParameterName, 'Let it lie open although the newest checkpoint of its namespace is sealed')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The file to write; `-` is stdout. A live object, https://HOST/PATH/objects/NAME, takes checkpoints of rows')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'What to write: state as one JSON array or a line an entry, an image as a database')
            [CompletionResult]::new('--key-prefix', '--key-prefix', [CompletionResultType]::ParameterName, 'Write only what has keys that begin so, of state or rows; only the chunks with such keys are read')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--to-store', '--to-store', [CompletionResultType]::ParameterName, 'Where to: a folder, made if it is not there, an object''s database, or a bucket')
            [CompletionResult]::new('--to-overflow', '--to-overflow', [CompletionResultType]::ParameterName, 'The second store there, for what is too large for the first one')
            [CompletionResult]::new('--to-layout', '--to-layout', [CompletionResultType]::ParameterName, 'How the copy is laid out: as dotctl''s own checkpoints, or as TypeScript writes them')
            [CompletionResult]::new('--object-backend', '--object-backend', [CompletionResultType]::ParameterName, 'Where in an object checkpoints are put, with an object''s database as the other store; in TypeScript''s layouts, what its storage takes under one key')
            [CompletionResult]::new('--placement', '--placement', [CompletionResultType]::ParameterName, 'With --to-overflow, what decides where the copy goes [default: dotctl.toml''s, else budget]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The project''s settings, of which the table "placement" counts here [default: ./dotctl.toml]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Read the packs that a bucket holds already, and replace those that are damaged; a folder''s and an object''s are always read')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
        'dotctl;diff' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Print every change as a line of JSON, with its old and its new value')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Show this many changes [default: 20, with --format json 1000]')
            [CompletionResult]::new('--changeset', '--changeset', [CompletionResultType]::ParameterName, 'Write what makes B of A: SQL in one transaction for rows, a line for each entry to put or to delete for state; `-` is stdout')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--pages', '--pages', [CompletionResultType]::ParameterName, 'Compare two images page by page')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the changeset''s file if it exists')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dotctl;tag' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
        'dotctl;compact' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--chunk-bytes', '--chunk-bytes', [CompletionResultType]::ParameterName, 'Raw size that chunks aim at, 64KiB to 4MiB')
            [CompletionResult]::new('--object-backend', '--object-backend', [CompletionResultType]::ParameterName, 'Where in an object checkpoints are put, with an object''s database as the store')
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'How long a pack without a checkpoint is left alone; in a bucket at least 1h')
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
        'dotctl;inspect' {
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
        'dotctl;estimate' {
            [CompletionResult]::new('--entries', '--entries', [CompletionResultType]::ParameterName, 'Entries in the state [default with --sample: as many as the source has]')
            [CompletionResult]::new('--key-bytes', '--key-bytes', [CompletionResultType]::ParameterName, 'Mean bytes of a key')
            [CompletionResult]::new('--value-bytes', '--value-bytes', [CompletionResultType]::ParameterName, 'Mean bytes of a value')
            [CompletionResult]::new('--compression-ratio', '--compression-ratio', [CompletionResultType]::ParameterName, 'Compressed bytes by raw ones [default: 0.1]')
            [CompletionResult]::new('--backend', '--backend', [CompletionResultType]::ParameterName, 'What keeps the object''s storage')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'Real data: a database, a state snapshot, an event log, or `-`; some of its chunks are compressed as a checkpoint would')
            [CompletionResult]::new('--chunk-bytes', '--chunk-bytes', [CompletionResultType]::ParameterName, 'With --sample, raw size that the checkpoint''s chunks aim at')
            [CompletionResult]::new('--sample-percent', '--sample-percent', [CompletionResultType]::ParameterName, 'With --sample, how much of the source is compressed, in percent; never less than 12 chunks')
            [CompletionResult]::new('--operator', '--operator', [CompletionResultType]::ParameterName, 'The operator whose budget counts: counters, windowed, join, pattern, or one of dotctl.toml''s')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The project''s settings: placement and budgets [default: ./dotctl.toml]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'dotctl;budget' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'What to check [default: ./dotctl.toml]')
            [CompletionResult]::new('--baseline', '--baseline', [CompletionResultType]::ParameterName, 'What to compare with: what an earlier `budget --format json` printed, or a checkpoint whose namespace is an object''s name')
            [CompletionResult]::new('--max-growth', '--max-growth', [CompletionResultType]::ParameterName, 'Fail if anything grew by more than this since the baseline, in percent [default: dotctl.toml''s]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
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
        'dotctl;plan' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The project''s settings, of which the tables "plan" and "placement" count [default: ./dotctl.toml]')
            [CompletionResult]::new('--objects', '--objects', [CompletionResultType]::ParameterName, 'Objects in the fleet [default: 1]')
            [CompletionResult]::new('--operators', '--operators', [CompletionResultType]::ParameterName, 'Operators, or collections, in an object [default: 1]')
            [CompletionResult]::new('--entries', '--entries', [CompletionResultType]::ParameterName, 'Entries in an object today [default: 10000]')
            [CompletionResult]::new('--key-bytes', '--key-bytes', [CompletionResultType]::ParameterName, 'Mean bytes of a key [default: 12]')
            [CompletionResult]::new('--value-bytes', '--value-bytes', [CompletionResultType]::ParameterName, 'Mean bytes of a value [default: 50]')
            [CompletionResult]::new('--compression-ratio', '--compression-ratio', [CompletionResultType]::ParameterName, 'Compressed bytes by raw ones [default: 0.1]')
            [CompletionResult]::new('--growth-per-day', '--growth-per-day', [CompletionResultType]::ParameterName, 'Entries that come every day [default: 0]')
            [CompletionResult]::new('--writes-per-second', '--writes-per-second', [CompletionResultType]::ParameterName, 'Writes a second while an object is active [default: 1]')
            [CompletionResult]::new('--reads-per-second', '--reads-per-second', [CompletionResultType]::ParameterName, 'Reads a second while an object is active [default: 0]')
            [CompletionResult]::new('--active-percent', '--active-percent', [CompletionResultType]::ParameterName, 'How much of the time an object is active, in percent [default: 100]')
            [CompletionResult]::new('--changed-percent', '--changed-percent', [CompletionResultType]::ParameterName, 'Entries that change between two kept checkpoints, in percent [default: 10]')
            [CompletionResult]::new('--checkpoints-per-day', '--checkpoints-per-day', [CompletionResultType]::ParameterName, 'Checkpoints kept for a while, a day [default: 24]')
            [CompletionResult]::new('--retention-days', '--retention-days', [CompletionResultType]::ParameterName, 'For how many days they are kept [default: 7]')
            [CompletionResult]::new('--restore-bytes-per-second', '--restore-bytes-per-second', [CompletionResultType]::ParameterName, 'Raw bytes that a restore in the object brings back in a second, an assumption [default: 20MB]')
            [CompletionResult]::new('--pack-bytes', '--pack-bytes', [CompletionResultType]::ParameterName, 'Bytes of a pack in R2 [default: 8MiB]')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'When lazy checkpoints are made: frequent, balanced or performance [default: balanced]')
            [CompletionResult]::new('--compaction', '--compaction', [CompletionResultType]::ParameterName, 'When deltas are merged: aggressive, balanced or conservative [default: balanced]')
            [CompletionResult]::new('--tiering', '--tiering', [CompletionResultType]::ParameterName, 'What stays in the object: realtime, balanced or analytics [default: balanced]')
            [CompletionResult]::new('--cache', '--cache', [CompletionResultType]::ParameterName, 'Whose limits the actor cache has: server-2026-11 or spike-2026-01 [default: server-2026-11]')
            [CompletionResult]::new('--root-partitions', '--root-partitions', [CompletionResultType]::ParameterName, 'Root partitions of the data set, where it is cut up [default: 10]')
            [CompletionResult]::new('--fan-out', '--fan-out', [CompletionResultType]::ParameterName, 'Children of a partition that is split [default: 10]')
            [CompletionResult]::new('--partition-bytes', '--partition-bytes', [CompletionResultType]::ParameterName, 'Bytes from which a partition is split [default: 500MB]')
            [CompletionResult]::new('--promoted-keys', '--promoted-keys', [CompletionResultType]::ParameterName, 'Hash keys with a partition of their own [default: 0]')
            [CompletionResult]::new('--recovery-point-ms', '--recovery-point-ms', [CompletionResultType]::ParameterName, 'Take only what loses no more than this when an object stops')
            [CompletionResult]::new('--trace', '--trace', [CompletionResultType]::ParameterName, 'A log of events, run through a model of checkpointer and cache in place of assumed rates: a file, a folder, a pattern, or `-`, as for replay')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'With --trace, only events of this namespace')
            [CompletionResult]::new('--memory-bytes', '--memory-bytes', [CompletionResultType]::ParameterName, 'With --trace, most bytes that may wait for a checkpoint [default: 32MiB]')
            [CompletionResult]::new('--html', '--html', [CompletionResultType]::ParameterName, 'Write a page with charts, complete in itself')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--multi-tenant', '--multi-tenant', [CompletionResultType]::ParameterName, 'One data set holds many tenants')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the page if it exists')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Write no page')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors, nothing else')
            [CompletionResult]::new('--no-progress', '--no-progress', [CompletionResultType]::ParameterName, 'Draw no progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'dotctl;replay' {
            [CompletionResult]::new('--into', '--into', [CompletionResultType]::ParameterName, 'The image: a SQLite database, made if it is not there')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only this namespace''s events')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Only events up to this time: RFC 3339 or Unix milliseconds')
            [CompletionResult]::new('--columnar-threshold', '--columnar-threshold', [CompletionResultType]::ParameterName, 'Types with fewer entities than this are one row [default: the image''s, else 50]')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Begin a new image with this checkpoint of an earlier one')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'The second store, which holds what is too large for the first one')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'A file with the age identity that opens sealed checkpoints; may be given several times')
            [CompletionResult]::new('--endpoint-url', '--endpoint-url', [CompletionResultType]::ParameterName, 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]')
            [CompletionResult]::new('--region', '--region', [CompletionResultType]::ParameterName, 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]')
            [CompletionResult]::new('--max-requests-per-second', '--max-requests-per-second', [CompletionResultType]::ParameterName, 'Begin no more requests than this within a second')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Compare this image with the log, and change nothing')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What stdout speaks: text for people, or one JSON object')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour in what people read; NO_COLOR is heeded')
            [CompletionResult]::new('--merge-updates', '--merge-updates', [CompletionResultType]::ParameterName, 'Take an update without `isDelta` for a delta too')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Stop at the first thing that is no event, and leave the image as it was')
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
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Tell what differs between two checkpoints')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a checkpoint a name, or take one away')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove the checkpoints that no rule keeps, and what only they need')
            [CompletionResult]::new('compact', 'compact', [CompletionResultType]::ParameterValue, 'Rewrite a checkpoint that lies in several runs of changes as one full run')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Tell what is in a database, a state snapshot, a folder of objects or a store')
            [CompletionResult]::new('estimate', 'estimate', [CompletionResultType]::ParameterValue, 'Tell how large a checkpoint will be, where it will go, and whether that is within budget')
            [CompletionResult]::new('budget', 'budget', [CompletionResultType]::ParameterValue, 'Check what dotctl.toml declares against its budgets')
            [CompletionResult]::new('plan', 'plan', [CompletionResultType]::ParameterValue, 'Plan a design or a fleet: days until each limit, monthly cost, what a stop loses')
            [CompletionResult]::new('replay', 'replay', [CompletionResultType]::ParameterValue, 'Make a local image of event logs, or bring one up to date')
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
        'dotctl;help;diff' {
            break
        }
        'dotctl;help;tag' {
            break
        }
        'dotctl;help;prune' {
            break
        }
        'dotctl;help;compact' {
            break
        }
        'dotctl;help;inspect' {
            break
        }
        'dotctl;help;estimate' {
            break
        }
        'dotctl;help;budget' {
            break
        }
        'dotctl;help;plan' {
            break
        }
        'dotctl;help;replay' {
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
