package lang

// The codes of the mistakes that Parse finds. The comment of each holds a
// source that gives it and no other; \t, \x00 and \xff in it stand for the byte.
const (
	// CodeEmptySource: -- nothing but a comment
	CodeEmptySource Code = "empty-source"
	// CodeEmptyQuery: FIND host;; FIND host
	CodeEmptyQuery Code = "empty-query"
	// CodeNotUTF8: FIND file /caf\xe9
	CodeNotUTF8 Code = "not-utf8"
	// CodeTooLong has no example of a line: a source over MaxSource.
	CodeTooLong Code = "source-too-long"
	// CodeTooManyTokens has no example of a line: a source over MaxTokens.
	CodeTooManyTokens Code = "too-many-tokens"
	// CodeTooDeep has no example of a line: nesting over MaxNesting.
	CodeTooDeep Code = "too-deep"
	// CodeListTooLong has no example of a line: a list over MaxListItems.
	CodeListTooLong Code = "list-too-long"
	// CodeTooManyQueries has no example of a line: a source over MaxQueries.
	CodeTooManyQueries Code = "too-many-queries"

	// CodeControlCharacter: FIND file /etc WHERE\x00 size > 1
	CodeControlCharacter Code = "control-character"
	// CodeStrayCharacter: FIND file /etc WHERE size > 1 ? 2
	CodeStrayCharacter Code = "stray-character"
	// CodeUnterminatedText: FIND file /etc CONTAINS "ioc
	CodeUnterminatedText Code = "unterminated-text"
	// CodeBadEscape: FIND file /etc CONTAINS "\d+"
	CodeBadEscape Code = "bad-escape"
	// CodeSmartQuote: FIND file /etc CONTAINS “ioc”
	CodeSmartQuote Code = "smart-quote"
	// CodeBackquote: FIND file /etc WHERE `size` > 1
	CodeBackquote Code = "backquote"
	// CodeBadBytes: FIND file /etc CONTAINS x"4d5"
	CodeBadBytes Code = "bad-bytes"
	// CodeBadNumber: FIND file /etc WHERE entropy > .5
	CodeBadNumber Code = "bad-number"
	// CodeNumberOverflow: FIND file /etc WHERE inode = 99999999999999999999
	CodeNumberOverflow Code = "number-overflow"
	// CodeBadUnit: FIND file /etc WHERE size > 10XB
	CodeBadUnit Code = "bad-unit"
	// CodeBadTime: FIND file /etc WHERE mtime > 2026-02-30
	CodeBadTime Code = "bad-time"
	// CodeBadNetwork: FIND socket WHERE remote IN 10.0.0.0/33
	CodeBadNetwork Code = "bad-network"
	// CodeForeignOperator: FIND file /etc WHERE name <> "x"
	CodeForeignOperator Code = "foreign-operator"
	// CodeForeignComment: FIND file /etc # all of it
	CodeForeignComment Code = "foreign-comment"
	// CodeUnquotedRegex: FIND file /etc MATCHES ^root:
	CodeUnquotedRegex Code = "unquoted-regex"
	// CodeBadParameter: FIND file /etc WHERE size > ${min}
	CodeBadParameter Code = "bad-parameter"
	// CodeBadList: FIND file /etc WHERE sha256 IN @ LIMIT 5
	CodeBadList Code = "bad-list"

	// CodeUnclosed: FIND file /etc WHERE (size > 1 RETURN path
	CodeUnclosed Code = "unclosed-parenthesis"
	// CodeUnopened: FIND file /etc WHERE size > 1) RETURN path
	CodeUnopened Code = "unopened-parenthesis"
	// CodeMisspelt: FIND file /etc WEHRE size > 1
	CodeMisspelt Code = "misspelt-keyword"
	// CodeForeignKeyword: SELECT path FIND file /etc
	CodeForeignKeyword Code = "foreign-keyword"
	// CodeMissingFind: FROM fleet WHERE os = linux
	CodeMissingFind Code = "missing-find"
	// CodeMissingModule: FIND /etc/passwd
	CodeMissingModule Code = "missing-module"
	// CodeUnjoined: FIND file /etc FIND process
	CodeUnjoined Code = "unjoined-find"
	// CodeClauseTwice: FIND file /etc WHERE size > 1 WHERE size < 9
	CodeClauseTwice Code = "clause-twice"
	// CodeClauseOrder: FIND file /etc LIMIT 5 RETURN path
	CodeClauseOrder Code = "clause-order"
	// CodeMissingWhere: FIND file /etc size > 1
	CodeMissingWhere Code = "missing-where"
	// CodeMissingValue: FIND file /etc WHERE size > RETURN path
	CodeMissingValue Code = "missing-value"
	// CodeMissingCondition: FIND file /etc WHERE size > 1 AND RETURN path
	CodeMissingCondition Code = "missing-condition"
	// CodeMissingColumn: FIND file /etc WHERE = 5
	CodeMissingColumn Code = "missing-column"
	// CodeMissingOperator: FIND file /etc WHERE size 5
	CodeMissingOperator Code = "missing-operator"
	// CodeMissingComma: FIND file /etc RETURN path size
	CodeMissingComma Code = "missing-comma"
	// CodeTrailingComma: FIND file /etc RETURN path, LIMIT 5
	CodeTrailingComma Code = "trailing-comma"
	// CodeEmptyList: FIND file /etc WHERE name IN ()
	CodeEmptyList Code = "empty-list"
	// CodeMissingName: FIND file /etc RETURN path AS
	CodeMissingName Code = "missing-name"
	// CodeKeywordName: FIND file /etc RETURN path AS limit
	CodeKeywordName Code = "keyword-as-name"
	// CodeMissingEquals: FIND file /etc WITH depth 3
	CodeMissingEquals Code = "missing-equals"
	// CodeMissingType: PARAM since FIND file /etc
	CodeMissingType Code = "missing-type"
	// CodeUnknownType: PARAM since durration FIND file /etc
	CodeUnknownType Code = "unknown-type"
	// CodeUnknownSource: FROM flete FIND file /etc
	CodeUnknownSource Code = "unknown-source"
	// CodeSourceArguments: FROM hits FIND file /etc
	CodeSourceArguments Code = "source-arguments"
	// CodeBadBetween: FIND file /etc WHERE size BETWEEN 1, 5
	CodeBadBetween Code = "bad-between"
	// CodeBadIs: FIND file /etc WHERE size IS 5
	CodeBadIs Code = "bad-is"
	// CodeBadIn: FIND file /etc WHERE size IN 5
	CodeBadIn Code = "bad-in"
	// CodeBadNot: FIND file /etc WHERE size NOT = 5
	CodeBadNot Code = "bad-not"
	// CodeBadLimit: FIND file /etc LIMIT -5
	CodeBadLimit Code = "bad-limit"
	// CodeBadNoCase: FIND file /etc WHERE name = "x" NOCASE
	CodeBadNoCase Code = "bad-nocase"
	// CodeCompareNull: FIND file /etc WHERE owner = NULL
	CodeCompareNull Code = "compare-null"
	// CodeLikeStar: FIND file /etc WHERE name LIKE "*.so"
	CodeLikeStar Code = "like-star"
	// CodeChained: FIND file /etc WHERE 1 < size < 5
	CodeChained Code = "chained-comparison"
	// CodePathNotDivision: FIND file /etc WHERE size /2 > 5
	CodePathNotDivision Code = "path-not-division"
	// CodeUnquotedBlank: FIND file /home/my docs/x
	CodeUnquotedBlank Code = "unquoted-blank"
	// CodeUnquotedText: FIND file /etc WHERE name LIKE ssh%
	CodeUnquotedText Code = "unquoted-text"
	// CodeUnexpected: FIND file /etc RETURN path ASC
	CodeUnexpected Code = "unexpected"
)
