
use builtin;
use str;

set edit:completion:arg-completer[dotctl] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'dotctl'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'dotctl'= {
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand snapshot 'Capture a database, a state snapshot or a folder of objects as checkpoints'
            cand restore 'Write a checkpoint back as the database or state it was made of'
            cand copy 'Copy a checkpoint into another store, verified on both sides'
            cand verify 'Read checkpoints, manifests or files back and tell everything that is wrong'
            cand list 'List checkpoints, newest first'
            cand show 'Show what a checkpoint''s manifest says'
            cand get 'Print one entry of a checkpoint'
            cand diff 'Tell what differs between two checkpoints'
            cand tag 'Give a checkpoint a name, or take one away'
            cand prune 'Remove the checkpoints that no rule keeps, and what only they need'
            cand compact 'Rewrite a checkpoint that lies in several runs of changes as one full run'
            cand inspect 'Tell what is in a database, a state snapshot, a folder of objects or a store'
            cand estimate 'Tell how large a checkpoint will be, where it will go, and whether that is within budget'
            cand budget 'Check what dotctl.toml declares against its budgets'
            cand plan 'Plan a design or a fleet: days until each limit, monthly cost, what a stop loses'
            cand replay 'Make a local image of event logs, or bring one up to date'
            cand completions 'Print the completion script for a shell'
            cand man 'Print the manual page, of dotctl or of one command'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dotctl;snapshot'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --namespace 'Whose state it is [default: <class>/<object id> for an object, else the file''s name]'
            cand --kind 'How a database is captured'
            cand --codec 'How chunks are compressed: zstd, gzip or none; columnar and zstd-dictionary, which need more than zstd to be read without dotctl, or auto, the smallest of them for each chunk. A full checkpoint is made where the newest one has another [default: zstd]'
            cand --level 'The codec''s level [default: zstd 1 for state and 2 for databases, gzip 6]'
            cand --chunk-bytes 'Raw size that chunks aim at, 64KiB to 4MiB'
            cand --object-backend 'Where in an object checkpoints are put, with an object''s database as the store'
            cand --placement 'With --overflow, what decides where a checkpoint goes [default: dotctl.toml''s, else budget]'
            cand --config 'The project''s settings, of which the tables "snapshot" and "placement" count here [default: ./dotctl.toml]'
            cand --base 'What to build on, so that only changes are stored: auto (the namespace''s newest checkpoint, where that pays), none, or a REF'
            cand --compact-share 'Make a full checkpoint once the changes take more than this share of the last full one [default: dotctl.toml''s, else 0.5]'
            cand --compact-runs 'Join the newest changes once there are as many runs of them, 1 to 16 [default: dotctl.toml''s, else 8]'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --repair 'Read the packs that a bucket holds already, and replace those that are damaged; a folder''s and an object''s are always read'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dotctl;restore'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --to 'The file to write; `-` is stdout'
            cand --as 'What to write: state as one JSON array or a line an entry, an image as a database'
            cand --key-prefix 'Write only what has keys that begin so, of state or rows; only the chunks with such keys are read'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --force 'Replace the target if it exists'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dotctl;copy'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --to-store 'Where to: a folder, made if it is not there, an object''s database, or a bucket'
            cand --to-overflow 'The second store there, for what is too large for the first one'
            cand --to-layout 'How the copy is laid out: as dotctl''s own checkpoints, or as TypeScript writes them'
            cand --object-backend 'Where in an object checkpoints are put, with an object''s database as the other store; in TypeScript''s layouts, what its storage takes under one key'
            cand --placement 'With --to-overflow, what decides where the copy goes [default: dotctl.toml''s, else budget]'
            cand --config 'The project''s settings, of which the table "placement" counts here [default: ./dotctl.toml]'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --repair 'Read the packs that a bucket holds already, and replace those that are damaged; a folder''s and an object''s are always read'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dotctl;verify'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --checksum 'What the file must hash to: sha256:HEX or murmur3:HEX (MurmurHash3 x86 32, seed 0)'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --quick 'Take the stored packs'' hashes and decode nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;list'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --namespace 'Only this namespace''s'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;show'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --packs 'Print the stored packs in order, a path a line'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;get'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;diff'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --as 'Print every change as a line of JSON, with its old and its new value'
            cand --limit 'Show this many changes [default: 20, with --format json 1000]'
            cand --changeset 'Write what makes B of A: SQL in one transaction for rows, a line for each entry to put or to delete for state; `-` is stdout'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --pages 'Compare two images page by page'
            cand --force 'Replace the changeset''s file if it exists'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dotctl;tag'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --remove 'Take the name away'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;prune'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --namespace 'Only this namespace''s'
            cand --keep-last 'Keep the newest N'
            cand --keep-hourly 'Keep the newest of each of the newest N hours that have one'
            cand --keep-daily 'The same for days'
            cand --keep-weekly 'The same for weeks'
            cand --keep-monthly 'The same for months'
            cand --keep-within 'Keep what is at most this much older than the newest'
            cand --keep-tag 'Keep what has this tag; may be given several times'
            cand --grace 'How long a pack without a checkpoint is left alone, since a writer may be about to name it; in a bucket at least 1h'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --dry-run 'Say what would go and what it would free, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;compact'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --chunk-bytes 'Raw size that chunks aim at, 64KiB to 4MiB'
            cand --object-backend 'Where in an object checkpoints are put, with an object''s database as the store'
            cand --grace 'How long a pack without a checkpoint is left alone; in a bucket at least 1h'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dotctl;inspect'= {
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;estimate'= {
            cand --entries 'Entries in the state [default with --sample: as many as the source has]'
            cand --key-bytes 'Mean bytes of a key'
            cand --value-bytes 'Mean bytes of a value'
            cand --compression-ratio 'Compressed bytes by raw ones [default: 0.1]'
            cand --backend 'What keeps the object''s storage'
            cand --sample 'Real data: a database, a state snapshot, an event log, or `-`; some of its chunks are compressed as a checkpoint would'
            cand --chunk-bytes 'With --sample, raw size that the checkpoint''s chunks aim at'
            cand --sample-percent 'With --sample, how much of the source is compressed, in percent; never less than 12 chunks'
            cand --operator 'The operator whose budget counts: counters, windowed, join, pattern, or one of dotctl.toml''s'
            cand --config 'The project''s settings: placement and budgets [default: ./dotctl.toml]'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'dotctl;budget'= {
            cand --config 'What to check [default: ./dotctl.toml]'
            cand --baseline 'What to compare with: what an earlier `budget --format json` printed, or a checkpoint whose namespace is an object''s name'
            cand --max-growth 'Fail if anything grew by more than this since the baseline, in percent [default: dotctl.toml''s]'
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;plan'= {
            cand --config 'The project''s settings, of which the tables "plan" and "placement" count [default: ./dotctl.toml]'
            cand --objects 'Objects in the fleet [default: 1]'
            cand --operators 'Operators, or collections, in an object [default: 1]'
            cand --entries 'Entries in an object today [default: 10000]'
            cand --key-bytes 'Mean bytes of a key [default: 12]'
            cand --value-bytes 'Mean bytes of a value [default: 50]'
            cand --compression-ratio 'Compressed bytes by raw ones [default: 0.1]'
            cand --growth-per-day 'Entries that come every day [default: 0]'
            cand --writes-per-second 'Writes a second while an object is active [default: 1]'
            cand --reads-per-second 'Reads a second while an object is active [default: 0]'
            cand --active-percent 'How much of the time an object is active, in percent [default: 100]'
            cand --changed-percent 'Entries that change between two kept checkpoints, in percent [default: 10]'
            cand --checkpoints-per-day 'Checkpoints kept for a while, a day [default: 24]'
            cand --retention-days 'For how many days they are kept [default: 7]'
            cand --restore-bytes-per-second 'Raw bytes that a restore in the object brings back in a second, an assumption [default: 20MB]'
            cand --pack-bytes 'Bytes of a pack in R2 [default: 8MiB]'
            cand --profile 'When lazy checkpoints are made: frequent, balanced or performance [default: balanced]'
            cand --compaction 'When deltas are merged: aggressive, balanced or conservative [default: balanced]'
            cand --tiering 'What stays in the object: realtime, balanced or analytics [default: balanced]'
            cand --cache 'Whose limits the actor cache has: server-2026-11 or spike-2026-01 [default: server-2026-11]'
            cand --root-partitions 'Root partitions of the data set, where it is cut up [default: 10]'
            cand --fan-out 'Children of a partition that is split [default: 10]'
            cand --partition-bytes 'Bytes from which a partition is split [default: 500MB]'
            cand --promoted-keys 'Hash keys with a partition of their own [default: 0]'
            cand --recovery-point-ms 'Take only what loses no more than this when an object stops'
            cand --trace 'A log of events, run through a model of checkpointer and cache in place of assumed rates: a file, a folder, a pattern, or `-`, as for replay'
            cand --namespace 'With --trace, only events of this namespace'
            cand --memory-bytes 'With --trace, most bytes that may wait for a checkpoint [default: 32MiB]'
            cand --html 'Write a page with charts, complete in itself'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --multi-tenant 'One data set holds many tenants'
            cand --force 'Replace the page if it exists'
            cand --dry-run 'Write no page'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;replay'= {
            cand --into 'The image: a SQLite database, made if it is not there'
            cand --namespace 'Only this namespace''s events'
            cand --until 'Only events up to this time: RFC 3339 or Unix milliseconds'
            cand --columnar-threshold 'Types with fewer entities than this are one row [default: the image''s, else 50]'
            cand --from 'Begin a new image with this checkpoint of an earlier one'
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --check 'Compare this image with the log, and change nothing'
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand --merge-updates 'Take an update without `isDelta` for a delta too'
            cand --strict 'Stop at the first thing that is no event, and leave the image as it was'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;completions'= {
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;man'= {
            cand --format 'What stdout speaks: text for people, or one JSON object'
            cand --color 'Colour in what people read; NO_COLOR is heeded'
            cand -q 'Print the result and errors, nothing else'
            cand --quiet 'Print the result and errors, nothing else'
            cand --no-progress 'Draw no progress bar'
            cand -v 'Say more on stderr about what is being done'
            cand --verbose 'Say more on stderr about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'dotctl;help'= {
            cand snapshot 'Capture a database, a state snapshot or a folder of objects as checkpoints'
            cand restore 'Write a checkpoint back as the database or state it was made of'
            cand copy 'Copy a checkpoint into another store, verified on both sides'
            cand verify 'Read checkpoints, manifests or files back and tell everything that is wrong'
            cand list 'List checkpoints, newest first'
            cand show 'Show what a checkpoint''s manifest says'
            cand get 'Print one entry of a checkpoint'
            cand diff 'Tell what differs between two checkpoints'
            cand tag 'Give a checkpoint a name, or take one away'
            cand prune 'Remove the checkpoints that no rule keeps, and what only they need'
            cand compact 'Rewrite a checkpoint that lies in several runs of changes as one full run'
            cand inspect 'Tell what is in a database, a state snapshot, a folder of objects or a store'
            cand estimate 'Tell how large a checkpoint will be, where it will go, and whether that is within budget'
            cand budget 'Check what dotctl.toml declares against its budgets'
            cand plan 'Plan a design or a fleet: days until each limit, monthly cost, what a stop loses'
            cand replay 'Make a local image of event logs, or bring one up to date'
            cand completions 'Print the completion script for a shell'
            cand man 'Print the manual page, of dotctl or of one command'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'dotctl;help;snapshot'= {
        }
        &'dotctl;help;restore'= {
        }
        &'dotctl;help;copy'= {
        }
        &'dotctl;help;verify'= {
        }
        &'dotctl;help;list'= {
        }
        &'dotctl;help;show'= {
        }
        &'dotctl;help;get'= {
        }
        &'dotctl;help;diff'= {
        }
        &'dotctl;help;tag'= {
        }
        &'dotctl;help;prune'= {
        }
        &'dotctl;help;compact'= {
        }
        &'dotctl;help;inspect'= {
        }
        &'dotctl;help;estimate'= {
        }
        &'dotctl;help;budget'= {
        }
        &'dotctl;help;plan'= {
        }
        &'dotctl;help;replay'= {
        }
        &'dotctl;help;completions'= {
        }
        &'dotctl;help;man'= {
        }
        &'dotctl;help;help'= {
        }
    ]
    $completions[$command]
}
