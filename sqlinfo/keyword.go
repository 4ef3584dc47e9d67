package sqlinfo

import "strings"

// Keyword says in which class of keywords an identifier is (manual, appendix C),
// and, for the words that the scanner acts on, which one. The zero value means: no
// keyword.
type Keyword uint16

const (
	classNone Keyword = iota << 12
	// classUnreserved may be any name.
	classUnreserved
	// classColName may be the name of a column or a table, not of a function.
	classColName
	// classTypeFunc may be the name of a function or a type, not of a column or table.
	classTypeFunc
	// classReserved may be a name only after AS or a dot.
	classReserved
	classMask Keyword = 0xf << 12
)

func (k Keyword) class() Keyword { return k & classMask }
func (k Keyword) word() Keyword  { return k &^ classMask }

// Reserved reports whether the word can be a name only where any word can:
// after a dot, or as a label after AS.
func (k Keyword) Reserved() bool { return k.class() == classReserved }

// The classes are those of PostgreSQL 17. A word that is less reserved in another
// version of 13 to 18 stands in the lesser class here (system_user, which is
// reserved since 16), since a word that may be a name must be taken for one.
const (
	reservedWords = `all analyse analyze and any array as asc asymmetric both case cast check
		collate column constraint create current_catalog current_date current_role current_time
		current_timestamp current_user default deferrable desc distinct do else end except false
		fetch for foreign from grant group having in initially intersect into lateral leading limit
		localtime localtimestamp not null offset on only or order placing primary references
		returning select session_user some symmetric table then to trailing true union unique user
		using variadic when where window with`
	typeFuncWords = `authorization binary collation concurrently cross current_schema freeze full
		ilike inner is isnull join left like natural notnull outer overlaps right similar
		tablesample verbose`
	colNameWords = `between bigint bit boolean char character coalesce dec decimal exists extract
		float greatest grouping inout int integer interval json json_array json_arrayagg json_exists
		json_object json_objectagg json_query json_scalar json_serialize json_table json_value least
		merge_action national nchar none normalize nullif numeric out overlay position precision
		real row setof smallint substring time timestamp treat trim values varchar xmlattributes
		xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize
		xmltable`
	unreservedWords = `abort absent absolute access action add admin after aggregate also alter
		always asensitive assertion assignment at atomic attach attribute backward before begin
		breadth by cache call called cascade cascaded catalog chain characteristics checkpoint class
		close cluster columns comment comments commit committed compression conditional configuration
		conflict connection constraints content continue conversion copy cost csv cube current cursor
		cycle data database day deallocate declare defaults deferred definer delete delimiter
		delimiters depends depth detach dictionary disable discard document domain double drop each
		empty enable encoding encrypted enforced enum error escape event exclude excluding exclusive execute
		explain expression extension external family filter finalize first following force format
		forward function functions generated global granted groups handler header hold hour identity
		if immediate immutable implicit import include including increment indent index indexes
		inherit inherits inline input insensitive insert instead invoker isolation keep key keys
		label language large last leakproof level listen load local location lock locked logged
		mapping match matched materialized maxvalue merge method minute minvalue mode month move name
		names nested new next nfc nfd nfkc nfkd no normalized nothing notify nowait nulls object
		objects of off oids old omit operator option options ordinality others over overriding owned
		owner parallel parameter parser partial partition passing password path period plan plans policy
		preceding prepare prepared preserve prior privileges procedural procedure procedures program
		publication quote quotes range read reassign recheck recursive ref referencing refresh
		reindex relative release rename repeatable replace replica reset restart restrict return
		returns revoke role rollback rollup routine routines rows rule savepoint scalar schema
		schemas scroll search second security sequence sequences serializable server session set sets
		share show simple skip snapshot source sql stable standalone start statement statistics stdin
		stdout storage stored strict string strip subscription support sysid system system_user
		tables tablespace target temp template temporary text ties transaction transform trigger
		truncate trusted type types uescape unbounded uncommitted unconditional unencrypted unknown
		unlisten unlogged until update vacuum valid validate validator value varying version view
		views virtual volatile whitespace within without work wrapper write xml year yes zone`
)

// The words that the scanner acts on.
const (
	kwNone Keyword = iota
	kwAbort
	kwAll
	kwAlter
	kwAnalyse
	kwAnalyze
	kwAnd
	kwArray
	kwAs
	kwAt
	kwAtomic
	kwAuthorization
	kwBegin
	kwBetween
	kwBinary
	kwBy
	kwCall
	kwCascade
	kwCase
	kwCast
	kwChain
	kwChar
	kwCharacter
	kwCharacteristics
	kwCheckpoint
	kwClose
	kwCluster
	kwCollation
	kwColumns
	kwComment
	kwCommit
	kwConcurrently
	kwConflict
	kwConstraints
	kwContent
	kwCopy
	kwCreate
	kwCross
	kwCube
	kwCurrent_catalog
	kwCurrent_date
	kwCurrent_role
	kwCurrent_schema
	kwCurrent_time
	kwCurrent_timestamp
	kwCurrent_user
	kwCycle
	kwDeallocate
	kwDeclare
	kwDelete
	kwDiscard
	kwDistinct
	kwDo
	kwDocument
	kwDrop
	kwEnd
	kwEscape
	kwExcept
	kwExecute
	kwExplain
	kwExtract
	kwFalse
	kwFetch
	kwFilter
	kwFirst
	kwFor
	kwFrom
	kwFull
	kwFunction
	kwGlobal
	kwGrant
	kwGroup
	kwGrouping
	kwHaving
	kwIlike
	kwImport
	kwIn
	kwInner
	kwInsert
	kwIntersect
	kwInto
	kwIs
	kwJoin
	kwJson_array
	kwJson_arrayagg
	kwJson_object
	kwJson_objectagg
	kwJson_query
	kwJson_serialize
	kwJson_table
	kwJson_value
	kwKey
	kwLanguage
	kwLeft
	kwLike
	kwLimit
	kwListen
	kwLoad
	kwLocal
	kwLocaltime
	kwLocaltimestamp
	kwLock
	kwMaterialized
	kwMerge
	kwMove
	kwNames
	kwNatural
	kwNext
	kwNo
	kwNormalized
	kwNot
	kwNotify
	kwNull
	kwOffset
	kwOn
	kwOnly
	kwOperator
	kwOption
	kwOr
	kwOrder
	kwOuter
	kwOver
	kwOverlaps
	kwOverlay
	kwPartition
	kwPassing
	kwPrecision
	kwPrepare
	kwPrepared
	kwProcedure
	kwReassign
	kwRecursive
	kwRefresh
	kwReindex
	kwRelease
	kwReplace
	kwReset
	kwReturn
	kwReturning
	kwRevoke
	kwRight
	kwRole
	kwRollback
	kwRollup
	kwRows
	kwSavepoint
	kwSchema
	kwSearch
	kwSecurity
	kwSelect
	kwSession
	kwSession_user
	kwSet
	kwSetof
	kwSets
	kwShare
	kwShow
	kwSimilar
	kwStart
	kwSubstring
	kwTable
	kwTablesample
	kwTemp
	kwTemporary
	kwThen
	kwTime
	kwTo
	kwTransaction
	kwTrim
	kwTrue
	kwTruncate
	kwUescape
	kwUnion
	kwUnlisten
	kwUnlogged
	kwUpdate
	kwUser
	kwUsing
	kwVacuum
	kwValue
	kwValues
	kwVarying
	kwVerbose
	kwView
	kwWhen
	kwWhere
	kwWindow
	kwWith
	kwWithout
	kwWork
	kwXml
	kwXmlparse
	kwXmlserialize
	kwXmltable
	kwZone
)

// actedOn lists them in the order of the constants.
const actedOn = `abort all alter analyse analyze and array as at atomic authorization begin between binary by
	call cascade case cast chain char character characteristics checkpoint close cluster
	collation columns comment commit concurrently conflict constraints content copy create
	cross cube current_catalog current_date current_role current_schema current_time
	current_timestamp current_user cycle deallocate declare delete discard distinct do
	document drop end escape except execute explain extract false fetch filter first for from
	full function global grant group grouping having ilike import in inner insert intersect
	into is join json_array json_arrayagg json_object json_objectagg json_query json_serialize
	json_table json_value key language left like limit listen load local localtime localtimestamp lock
	materialized merge move names natural next no normalized not notify null offset on only
	operator option or order outer over overlaps overlay partition passing precision prepare
	prepared procedure reassign recursive refresh reindex release replace reset return
	returning revoke right role rollback rollup rows savepoint schema search security select
	session session_user set setof sets share show similar start substring table tablesample
	temp temporary then time to transaction trim true truncate uescape union unlisten unlogged
	update user using vacuum value values varying verbose view when where window with without
	work xml xmlparse xmlserialize xmltable zone`

var keywords = makeKeywords()

const maxKeyword = len("current_timestamp")

func makeKeywords() map[string]Keyword {
	m := make(map[string]Keyword, 512)
	for _, c := range []struct {
		class Keyword
		words string
	}{
		{classReserved, reservedWords}, {classTypeFunc, typeFuncWords},
		{classColName, colNameWords}, {classUnreserved, unreservedWords},
	} {
		for w := range strings.FieldsSeq(c.words) {
			m[w] = c.class
		}
	}
	i := kwNone
	for w := range strings.FieldsSeq(actedOn) {
		i++
		m[w] |= i
	}
	return m
}

// lookupKeyword finds the keyword that an unquoted identifier is, in any case.
func lookupKeyword(ident string) Keyword {
	if len(ident) > maxKeyword || len(ident) < 2 {
		return 0
	}
	var buf [maxKeyword]byte
	for i := range len(ident) {
		c := ident[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		} else if c >= 0x80 {
			return 0
		}
		buf[i] = c
	}
	return keywords[string(buf[:len(ident)])]
}
