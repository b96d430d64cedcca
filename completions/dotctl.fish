# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dotctl_global_optspecs
    string join \n format= q/quiet no-progress color= v/verbose h/help V/version
end

function __fish_dotctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dotctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dotctl_using_subcommand
    set -l cmd (__fish_dotctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dotctl -n "__fish_dotctl_needs_command" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_needs_command" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_needs_command" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_needs_command" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_needs_command" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_needs_command" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_needs_command" -s V -l version -d 'Print version'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "snapshot" -d 'Capture a database, a state snapshot or a folder of objects as checkpoints'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "restore" -d 'Write a checkpoint back as the database or state it was made of'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "copy" -d 'Copy a checkpoint into another store, verified on both sides'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "verify" -d 'Read checkpoints, manifests or files back and tell everything that is wrong'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "list" -d 'List checkpoints, newest first'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "show" -d 'Show what a checkpoint\'s manifest says'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "get" -d 'Print one entry of a checkpoint'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "diff" -d 'Tell what differs between two checkpoints'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "tag" -d 'Give a checkpoint a name, or take one away'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "prune" -d 'Remove the checkpoints that no rule keeps, and what only they need'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "compact" -d 'Rewrite a checkpoint that lies in several runs of changes as one full run'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "inspect" -d 'Tell what is in a database, a state snapshot, a folder of objects or a store'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "estimate" -d 'Tell how large a checkpoint will be, where it will go, and whether that is within budget'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "budget" -d 'Check what dotctl.toml declares against its budgets'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "plan" -d 'Plan a design or a fleet: days until each limit, monthly cost, what a stop loses'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "replay" -d 'Make a local image of event logs, or bring one up to date'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "man" -d 'Print the manual page, of dotctl or of one command'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l namespace -d 'Whose state it is [default: <class>/<object id> for an object, else the file\'s name]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l kind -d 'How a database is captured' -r -f -a "image\t'A database\'s pages, exact'
rows\t'A database\'s schema and rows, whatever its pages: what changed is smaller, a restore slower'"
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l codec -d 'How chunks are compressed: zstd, gzip or none; columnar and zstd-dictionary, which need more than zstd to be read without dotctl, or auto, the smallest of them for each chunk. A full checkpoint is made where the newest one has another [default: zstd]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l level -d 'The codec\'s level [default: zstd 1 for state and 2 for databases, gzip 6]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l chunk-bytes -d 'Raw size that chunks aim at, 64KiB to 4MiB' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l object-backend -d 'Where in an object checkpoints are put, with an object\'s database as the store' -r -f -a "sqlite\t'Tables of their own, for SQLite-backed objects'
kv\t'Entries of the key-value storage, which KV-backed objects have'"
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l placement -d 'With --overflow, what decides where a checkpoint goes [default: dotctl.toml\'s, else budget]' -r -f -a "budget\t'In the object below 500 MiB of raw state, in the second store from there, refused above 2 GiB'
hybrid\t'In the object below 1 MiB of compressed state, in the second store from there'"
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l config -d 'The project\'s settings, of which the tables "snapshot" and "placement" count here [default: ./dotctl.toml]' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l base -d 'What to build on, so that only changes are stored: auto (the namespace\'s newest checkpoint, where that pays), none, or a REF' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l encrypt -d 'Seal the checkpoint, so that only this age recipient can read it: age1…, or a file of recipients; may be given several times' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l compact-share -d 'Make a full checkpoint once the changes take more than this share of the last full one [default: dotctl.toml\'s, else 0.5]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l compact-runs -d 'Join the newest changes once there are as many runs of them, 1 to 16 [default: dotctl.toml\'s, else 8]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l repair -d 'Read the packs that a bucket holds already, and replace those that are damaged; a folder\'s and an object\'s are always read'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l no-encrypt -d 'Let it lie open although the newest checkpoint of its namespace is sealed'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l dry-run -d 'Say what would be done, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand snapshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l to -d 'The file to write; `-` is stdout. A live object, https://HOST/PATH/objects/NAME, takes checkpoints of rows' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l as -d 'What to write: state as one JSON array or a line an entry, an image as a database' -r -f -a "json\t'State as one compact JSON array'
ndjson\t'State as one entry a line'
sqlite\t'A database file'"
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l key-prefix -d 'Write only what has keys that begin so, of state or rows; only the chunks with such keys are read' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l force -d 'Replace the target if it exists'
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l dry-run -d 'Say what would be done, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l to-store -d 'Where to: a folder, made if it is not there, an object\'s database, or a bucket' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l to-overflow -d 'The second store there, for what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l to-layout -d 'How the copy is laid out: as dotctl\'s own checkpoints, or as TypeScript writes them' -r -f -a "dotctl\t'dotctl\'s own checkpoints'
chunked\t'A manifest and chunks, all in the object'
hybrid\t'Below 1 MiB compressed in the object, from there in the bucket'
incremental\t'A delta on the chain that is there; else a base in chunks, and a delta that changes nothing'
manager\t'A checkpoint manager\'s snapshot in a bucket, with its record if an object is named'
state-snapshot\t'A state backend\'s snapshot: one record, not compressed'"
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l object-backend -d 'Where in an object checkpoints are put, with an object\'s database as the other store; in TypeScript\'s layouts, what its storage takes under one key' -r -f -a "sqlite\t'Tables of their own, for SQLite-backed objects'
kv\t'Entries of the key-value storage, which KV-backed objects have'"
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l placement -d 'With --to-overflow, what decides where the copy goes [default: dotctl.toml\'s, else budget]' -r -f -a "budget\t'In the object below 500 MiB of raw state, in the second store from there, refused above 2 GiB'
hybrid\t'In the object below 1 MiB of compressed state, in the second store from there'"
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l config -d 'The project\'s settings, of which the table "placement" counts here [default: ./dotctl.toml]' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l repair -d 'Read the packs that a bucket holds already, and replace those that are damaged; a folder\'s and an object\'s are always read'
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l dry-run -d 'Say what would be done, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l checksum -d 'What the file must hash to: sha256:HEX or murmur3:HEX (MurmurHash3 x86 32, seed 0)' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l quick -d 'Take the stored packs\' hashes and decode nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand verify" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l namespace -d 'Only this namespace\'s' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand list" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l packs -d 'Print the stored packs in order, a path a line'
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand show" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand get" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l as -d 'Print every change as a line of JSON, with its old and its new value' -r -f -a "ndjson\t'One change a line'"
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l limit -d 'Show this many changes [default: 20, with --format json 1000]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l changeset -d 'Write what makes B of A: SQL in one transaction for rows, a line for each entry to put or to delete for state; `-` is stdout' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l pages -d 'Compare two images page by page'
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l force -d 'Replace the changeset\'s file if it exists'
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l remove -d 'Take the name away'
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l dry-run -d 'Say what would be done, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand tag" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l namespace -d 'Only this namespace\'s' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-last -d 'Keep the newest N' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-hourly -d 'Keep the newest of each of the newest N hours that have one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-daily -d 'The same for days' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-weekly -d 'The same for weeks' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-monthly -d 'The same for months' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-within -d 'Keep what is at most this much older than the newest' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l keep-tag -d 'Keep what has this tag; may be given several times' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l grace -d 'How long a pack without a checkpoint is left alone, since a writer may be about to name it; in a bucket at least 1h' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l dry-run -d 'Say what would go and what it would free, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand prune" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l chunk-bytes -d 'Raw size that chunks aim at, 64KiB to 4MiB' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l object-backend -d 'Where in an object checkpoints are put, with an object\'s database as the store' -r -f -a "sqlite\t'Tables of their own, for SQLite-backed objects'
kv\t'Entries of the key-value storage, which KV-backed objects have'"
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l grace -d 'How long a pack without a checkpoint is left alone; in a bucket at least 1h' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l dry-run -d 'Say what would be done, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand compact" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l entries -d 'Entries in the state [default with --sample: as many as the source has]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l key-bytes -d 'Mean bytes of a key' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l value-bytes -d 'Mean bytes of a value' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l compression-ratio -d 'Compressed bytes by raw ones [default: 0.1]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l backend -d 'What keeps the object\'s storage' -r -f -a "sqlite\t'Tables of their own, for SQLite-backed objects'
kv\t'Entries of the key-value storage, which KV-backed objects have'"
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l sample -d 'Real data: a database, a state snapshot, an event log, or `-`; some of its chunks are compressed as a checkpoint would' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l chunk-bytes -d 'With --sample, raw size that the checkpoint\'s chunks aim at' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l sample-percent -d 'With --sample, how much of the source is compressed, in percent; never less than 12 chunks' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l operator -d 'The operator whose budget counts: counters, windowed, join, pattern, or one of dotctl.toml\'s' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l config -d 'The project\'s settings: placement and budgets [default: ./dotctl.toml]' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand estimate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l config -d 'What to check [default: ./dotctl.toml]' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l baseline -d 'What to compare with: what an earlier `budget --format json` printed, or a checkpoint whose namespace is an object\'s name' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l max-growth -d 'Fail if anything grew by more than this since the baseline, in percent [default: dotctl.toml\'s]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand budget" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l config -d 'The project\'s settings, of which the tables "plan" and "placement" count [default: ./dotctl.toml]' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l objects -d 'Objects in the fleet [default: 1]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l operators -d 'Operators, or collections, in an object [default: 1]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l entries -d 'Entries in an object today [default: 10000]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l key-bytes -d 'Mean bytes of a key [default: 12]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l value-bytes -d 'Mean bytes of a value [default: 50]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l compression-ratio -d 'Compressed bytes by raw ones [default: 0.1]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l growth-per-day -d 'Entries that come every day [default: 0]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l writes-per-second -d 'Writes a second while an object is active [default: 1]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l reads-per-second -d 'Reads a second while an object is active [default: 0]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l active-percent -d 'How much of the time an object is active, in percent [default: 100]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l changed-percent -d 'Entries that change between two kept checkpoints, in percent [default: 10]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l checkpoints-per-day -d 'Checkpoints kept for a while, a day [default: 24]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l retention-days -d 'For how many days they are kept [default: 7]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l restore-bytes-per-second -d 'Raw bytes that a restore in the object brings back in a second, an assumption [default: 20MB]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l pack-bytes -d 'Bytes of a pack in R2 [default: 8MiB]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l profile -d 'When lazy checkpoints are made: frequent, balanced or performance [default: balanced]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l compaction -d 'When deltas are merged: aggressive, balanced or conservative [default: balanced]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l tiering -d 'What stays in the object: realtime, balanced or analytics [default: balanced]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l cache -d 'Whose limits the actor cache has: server-2026-11 or spike-2026-01 [default: server-2026-11]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l root-partitions -d 'Root partitions of the data set, where it is cut up [default: 10]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l fan-out -d 'Children of a partition that is split [default: 10]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l partition-bytes -d 'Bytes from which a partition is split [default: 500MB]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l promoted-keys -d 'Hash keys with a partition of their own [default: 0]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l recovery-point-ms -d 'Take only what loses no more than this when an object stops' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l trace -d 'A log of events, run through a model of checkpointer and cache in place of assumed rates: a file, a folder, a pattern, or `-`, as for replay' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l namespace -d 'With --trace, only events of this namespace' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l memory-bytes -d 'With --trace, most bytes that may wait for a checkpoint [default: 32MiB]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l html -d 'Write a page with charts, complete in itself' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l multi-tenant -d 'One data set holds many tenants'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l force -d 'Replace the page if it exists'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l dry-run -d 'Write no page'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand plan" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l into -d 'The image: a SQLite database, made if it is not there' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l namespace -d 'Only this namespace\'s events' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l until -d 'Only events up to this time: RFC 3339 or Unix milliseconds' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l columnar-threshold -d 'Types with fewer entities than this are one row [default: the image\'s, else 50]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l from -d 'Begin a new image with this checkpoint of an earlier one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l store -d 'Where checkpoints are kept: a folder, made by the first snapshot, an object\'s database, or s3://BUCKET/PREFIX or r2://BUCKET/PREFIX. For reading also a JSON file of records, a bucket that Miniflare persisted, …/r2/<bucket> or …/r2/<bucket>/PREFIX, or a live object, https://HOST/PATH/objects/NAME' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l overflow -d 'The second store, which holds what is too large for the first one' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l identity -d 'A file with the age identity that opens sealed checkpoints; may be given several times' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l endpoint-url -d 'Address of the S3 service, without the bucket [default: AWS_ENDPOINT_URL or Amazon\'s; for r2:// the one of R2_ACCOUNT_ID]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l region -d 'The bucket\'s region [default: as the AWS tools find it; for r2:// auto]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l max-requests-per-second -d 'Begin no more requests than this within a second' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l check -d 'Compare this image with the log, and change nothing' -r -F
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l merge-updates -d 'Take an update without `isDelta` for a delta too'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l strict -d 'Stop at the first thing that is no event, and leave the image as it was'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l dry-run -d 'Say what would be done, and do nothing'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand replay" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -l format -d 'What stdout speaks: text for people, or one JSON object' -r -f -a "human\t''
json\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -l color -d 'Colour in what people read; NO_COLOR is heeded' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -s q -l quiet -d 'Print the result and errors, nothing else'
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -l no-progress -d 'Draw no progress bar'
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -s v -l verbose -d 'Say more on stderr about what is being done'
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "snapshot" -d 'Capture a database, a state snapshot or a folder of objects as checkpoints'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "restore" -d 'Write a checkpoint back as the database or state it was made of'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "copy" -d 'Copy a checkpoint into another store, verified on both sides'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "verify" -d 'Read checkpoints, manifests or files back and tell everything that is wrong'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "list" -d 'List checkpoints, newest first'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "show" -d 'Show what a checkpoint\'s manifest says'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "get" -d 'Print one entry of a checkpoint'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "diff" -d 'Tell what differs between two checkpoints'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "tag" -d 'Give a checkpoint a name, or take one away'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "prune" -d 'Remove the checkpoints that no rule keeps, and what only they need'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "compact" -d 'Rewrite a checkpoint that lies in several runs of changes as one full run'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "inspect" -d 'Tell what is in a database, a state snapshot, a folder of objects or a store'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "estimate" -d 'Tell how large a checkpoint will be, where it will go, and whether that is within budget'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "budget" -d 'Check what dotctl.toml declares against its budgets'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "plan" -d 'Plan a design or a fleet: days until each limit, monthly cost, what a stop loses'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "replay" -d 'Make a local image of event logs, or bring one up to date'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "completions" -d 'Print the completion script for a shell'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "man" -d 'Print the manual page, of dotctl or of one command'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from snapshot restore copy verify list show get diff tag prune compact inspect estimate budget plan replay completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
