
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
            cand tag 'Give a checkpoint a name, or take one away'
            cand prune 'Remove the checkpoints that no rule keeps, and what only they need'
            cand inspect 'Tell what is in a database, a state snapshot, a folder of objects or a store'
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
            cand --codec 'How chunks are compressed: zstd, gzip or none'
            cand --level 'The codec''s level [default: zstd 1 for state and 2 for databases, gzip 6]'
            cand --chunk-bytes 'Raw size that chunks aim at, 64KiB to 4MiB'
            cand --object-backend 'Where in an object checkpoints are put, with an object''s database as the store'
            cand --placement 'With --overflow, what decides where a checkpoint goes [default: dotctl.toml''s, else budget]'
            cand --config 'The project''s settings, of which the table "placement" counts here [default: ./dotctl.toml]'
            cand --base 'What to build on; only full checkpoints exist so far'
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
        &'dotctl;restore'= {
            cand --store 'Where checkpoints are kept: a folder, made by the first snapshot, an object''s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, or a bucket that Miniflare persisted, …/r2/<bucket>'
            cand --overflow 'The second store, which holds what is too large for the first one'
            cand --endpoint-url 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon''s; for r2:// the one of R2_ACCOUNT_ID]'
            cand --region 'The bucket''s region [default: as the AWS tools find it; for r2:// auto]'
            cand --max-requests-per-second 'Begin no more requests than this within a second'
            cand --to 'The file to write; `-` is stdout'
            cand --as 'What to write: state as one JSON array or a line an entry, an image as a database'
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
            cand --to-store 'Where to: a folder, made if it is not there, or an object''s database'
            cand --object-backend 'Where in an object checkpoints are put, with an object''s database as the other store'
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
            cand tag 'Give a checkpoint a name, or take one away'
            cand prune 'Remove the checkpoints that no rule keeps, and what only they need'
            cand inspect 'Tell what is in a database, a state snapshot, a folder of objects or a store'
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
        &'dotctl;help;tag'= {
        }
        &'dotctl;help;prune'= {
        }
        &'dotctl;help;inspect'= {
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
